"""A user's arguments -> sources: files, folders, standard input, or texts; never a path's name for what it holds."""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from yesrank.documents.content import STANDARD_INPUT
from yesrank.documents.passages import Options, Part, Passage, Reading, bad, counted
from yesrank.documents.source import BY_ENDING, read_source
from yesrank.errors import InputError

STDIN = "-"
_HOW = "give documents as arguments, files or folders, or - to read standard input"
_OTHER_ENDINGS = (
    ".pdf", ".doc", ".docx", ".odt", ".rtf", ".epub", ".xls", ".xlsx", ".ppt", ".pptx", ".html", ".htm", ".xml", ".gz",
    ".zip", ".parquet", ".log", ".rst", ".yaml", ".yml", ".tex",
)  # fmt: skip
_LONGEST_PATH, _LONGEST_NAME = 4096, 1024
_ADDRESS = re.compile(r"(https?|ftp|file)://\S+", re.IGNORECASE)
_PATH = re.compile(r"(\.{1,2}|~\w*)?/\S+|([A-Za-z]:|\.{1,2})\\\S+|\S+/")
_SHOWN = 5


def read(
    arguments: Sequence[str],
    options: Options | None = None,
    *,
    stdin: Callable[[], bytes],
    only: str | None = None,
) -> Reading:
    """All documents that the arguments name, in their order.

    stdin: read for the argument -, at most once. only: "text" or "file", what every argument is said to be; without it
    what exists as a file or folder is one, and what looks like a path must be there. Texts and sources are not mixed.
    Raises InputError, which names file and line.
    """
    options = options or Options()
    if only == "text":
        return _texts(arguments)
    sources = _sources(arguments, only == "file")
    if not sources:
        return _texts(arguments)
    notes: list[str] = []
    parts = [*_parts(sources, options, stdin, notes)]
    passages = tuple(passage for part in parts for passage in part.passages)
    notes += [note for part in parts for note in part.notes]
    if not passages:
        raise bad("; ".join(["there are none", *notes]), _HOW)
    what = _what(parts, len(passages), "source" if STDIN in sources else "file")
    return Reading(passages, what, tuple(notes), several=len(parts) > 1)


def _texts(arguments: Sequence[str]) -> Reading:
    if not arguments:
        raise bad("there are none", _HOW)
    passages = tuple(Passage(argument) for argument in arguments)
    return Reading(passages, f"{counted(len(passages), 'document')}, given as text")


def _sources(arguments: Sequence[str], files: bool) -> list[str]:
    """The arguments as sources; none where all are texts. Raises InputError where there are both."""
    found: list[str] = []
    texts: list[str] = []
    for argument in arguments:
        if argument == STDIN or exists(argument):
            found.append(argument)
        elif files or looks_like_path(argument):
            found += _matches(argument)
        else:
            texts.append(argument)
    if found and texts:
        raise bad(
            f"{_quoted(found[0])} is {_kind(found[0])}, {_quoted(texts[0])} is text",
            "rank them apart; or say what they all are: --text or --file",
        )
    if found.count(STDIN) > 1:
        raise bad("- is given twice, and standard input can be read once only", "give it once")
    return found


def exists(argument: str) -> bool:
    """Whether a file, folder or pipe has that name. An argument with a line break or of great length is text."""
    if "\n" in argument or not 0 < len(argument) <= _LONGEST_PATH:
        return False
    try:
        return _path(argument).exists()
    except (OSError, ValueError, RuntimeError):  # a name that no file system would take, or nobody's home
        return False


def names_file(argument: str) -> bool:
    """Whether the argument is written as a path, and a file or folder is there."""
    return looks_like_path(argument) and exists(argument)


def looks_like_path(argument: str) -> bool:
    """Whether it ends as a document does, is formed as a path or address, or begins with a folder that is there."""
    if "\n" in argument or len(argument) > _LONGEST_NAME:
        return False
    if _ADDRESS.fullmatch(argument) or _PATH.fullmatch(argument):
        return True
    if Path(argument).suffix.lower() in (*BY_ENDING, *_OTHER_ENDINGS):
        return True
    first, separator, _ = argument.replace("\\", "/").partition("/")
    return bool(separator) and not re.search(r"\s", argument) and exists(first)


def _matches(argument: str) -> list[str]:
    """The files that a pattern names, which not every shell replaces. Raises InputError where there is nothing."""
    found = sorted(glob.glob(str(Path(argument)), recursive=True)) if glob.has_magic(argument) else []  # noqa: PTH207
    if found:
        return found
    if _ADDRESS.fullmatch(argument):
        raise bad(
            f"{argument} is an address, and nothing is downloaded here",
            "download it first; or, as text: --text",
        )
    try:
        _path(argument).stat()
    except PermissionError as error:
        raise bad(_unreadable(_path(argument), error), "check who may read the folders above it") from error
    except (OSError, ValueError):  # what a file system would not take as a name is not there either
        pass
    raise bad(f"there is no file or folder {argument}", "check the name; or, where it is a text: --text")


def _parts(
    sources: Sequence[str], options: Options, stdin: Callable[[], bytes], notes: list[str]
) -> Iterator[Part]:
    for source in sources:
        if source == STDIN:
            yield _part(stdin(), STANDARD_INPUT, options, notes)
        elif _path(source).is_dir():
            yield from _folder(_path(source), options, notes)
        else:
            yield _part(_bytes(_path(source)), source, options, notes)


def _part(data: bytes, name: str, options: Options, notes: list[str]) -> Part:
    part = read_source(data, name, options)
    if not part.passages:
        notes.append(f"{name} is empty")
    return part


def _folder(folder: Path, options: Options, notes: list[str]) -> Iterator[Part]:
    """All files below that end as documents do, by name. Others, and what cannot be read, are named in a note."""
    others: Counter[str] = Counter()
    problems: list[str] = []
    for path in _walk(folder, problems):
        if path.suffix.lower() not in BY_ENDING:
            others[path.suffix or "without an ending"] += 1
            continue
        if path.exists() and not path.is_file():  # a pipe may never give anything
            problems.append(f"{path} is no file but a pipe, socket or device")
            continue
        try:
            part = read_source(_bytes(path), str(path), options)
        except InputError as error:
            problems.append(error.message.removeprefix("documents: "))
            continue
        if part.passages:
            yield part
    if others:
        kinds = ", ".join(f"{number} {kind}" for kind, number in others.most_common(_SHOWN))
        notes.append(f"{folder}: {counted(others.total(), 'file')} of other kinds left out ({kinds})")
    notes += [f"left out: {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        notes.append(f"{folder}: {len(problems) - _SHOWN} more files left out")


def _walk(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Files in the order of their paths; hidden ones are not looked at, links to folders are not followed."""

    def told(error: OSError) -> None:
        problems.append(_unreadable(Path(error.filename), error))

    for place, folders, names in os.walk(folder, onerror=told):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise bad(_unreadable(path, error), "check the file and who may read it") from error


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror}"


def _path(argument: str) -> Path:
    return Path(argument).expanduser() if argument.startswith("~/") else Path(argument)


def _what(parts: Sequence[Part], count: int, noun: str) -> str:
    """12 documents, JSONL, field text; of several sources each way of reading, with its count."""
    ways: Counter[str] = Counter()
    for part in parts:
        ways[part.what] += bool(part.passages)
    ways = +ways
    if len(ways) == 1:
        where = "" if len(parts) == 1 else f" in {counted(ways.total(), noun)}"
        return f"{counted(count, 'document')}{where}, {next(iter(ways))}"
    each = "; ".join(f"{number} {way}" for way, number in ways.items())
    return f"{counted(count, 'document')} in {counted(ways.total(), noun)}: {each}"


def _quoted(argument: str) -> str:
    return repr(argument if len(argument) <= 40 else argument[:39] + "…")


def _kind(source: str) -> str:
    return "standard input" if source == STDIN else "a folder" if _path(source).is_dir() else "a file"
