"""Documents from arguments, standard input or a file."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from yesrank.errors import InputError

_TEXT_KEYS = ("text", "document", "contents")
_ID_KEYS = ("id", "_id")
_JSONL, _TEXT = (".jsonl", ".ndjson"), (".txt", ".text")
_HOW = "give documents as arguments, a .jsonl or .txt file, or - to read standard input"


@dataclass(frozen=True, slots=True)
class Passage:
    """A document as read: its text, and its id where the source has one."""

    text: str
    id: str | None = None


def read_passages(arguments: Sequence[str]) -> list[Passage]:
    """The documents that the arguments name, in order. Raises InputError, naming file and line."""
    passages = list(_from_arguments(arguments))
    if not passages:
        raise InputError("documents", "there are none", _HOW)
    return passages


def _from_arguments(arguments: Sequence[str]) -> Iterator[Passage]:
    if list(arguments) == ["-"] or (not arguments and not sys.stdin.isatty()):
        return _from_stdin()
    if len(arguments) == 1 and _is_file(arguments[0]):
        return _from_file(Path(arguments[0]))
    return (Passage(argument) for argument in arguments)


def _is_file(argument: str) -> bool:
    """An argument with a line break or of great length is text; one that ends like a file must be one."""
    if "\n" in argument or len(argument) > 4096:
        return False
    path = Path(argument)
    if path.suffix.lower() in (*_JSONL, *_TEXT) and " " not in argument and not path.exists():
        raise InputError("documents", f"there is no file {argument}", _HOW)
    return path.is_file()


def _from_file(path: Path) -> Iterator[Passage]:
    kind = path.suffix.lower()
    if kind not in (*_JSONL, *_TEXT):
        raise InputError(
            "documents",
            f"{path} is neither a .jsonl nor a .txt file",
            f"to read it one document a line: yesrank rerank QUERY - < {path}",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("documents", f"{path} cannot be read: {error.strerror}") from error
    text = _decoded(data, str(path))
    return _json_lines(text, str(path)) if kind in _JSONL else _plain_lines(text)


def _from_stdin() -> Iterator[Passage]:
    text = _decoded(sys.stdin.buffer.read(), "standard input")
    if text.lstrip().startswith(('{"', '"')):
        return _json_lines(text, "standard input")
    return _plain_lines(text)


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            "documents",
            f"{source} is not UTF-8 (line {line})",
            "convert it first, for example: iconv -f ISO-8859-1 -t UTF-8",
        ) from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers. Only LF ends a line: U+2028 and its like are text."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _plain_lines(text: str) -> Iterator[Passage]:
    return (Passage(line) for _, line in _lines(text))


def _json_lines(text: str, source: str) -> Iterator[Passage]:
    for number, line in _lines(text):
        where = f"{source}, line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(
                "documents", f"{where} is not JSON: {error}", "write one JSON value a line"
            ) from None
        yield _passage(value, where)


def _passage(value: object, where: str) -> Passage:
    if isinstance(value, str):
        return Passage(value)
    fields = value if isinstance(value, dict) else {}
    text = next((fields[key] for key in _TEXT_KEYS if isinstance(fields.get(key), str)), None)
    if text is None:
        raise InputError(
            "documents", f"{where} has no text", 'write a JSON string, or an object such as {"text": "..."}'
        )
    title = fields.get("title")
    name = next((fields[key] for key in _ID_KEYS if fields.get(key) is not None), None)
    whole = f"{title} {text}" if isinstance(title, str) and title else text
    return Passage(whole, None if name is None else str(name))
