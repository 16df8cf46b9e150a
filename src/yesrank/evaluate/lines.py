"""Reads text files line by line. Only LF ends a line: U+2028, U+0085 and the like are text."""

import gzip
import json
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from yesrank.errors import InputError

_ICONV = "convert it first, for example: iconv -f {} -t UTF-8"
_GZIP, _UTF_16 = b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff")


def read_lines(path: Path, field: str, *, blank: bool = False) -> Iterator[tuple[int, str]]:
    """(line number from 1, text) of the lines that hold something; gzip is unpacked, whatever the name.

    blank: also of those that hold nothing, as a quoted cell of CSV may. field: the argument that errors name.
    Raises InputError where the file cannot be read or is not UTF-8.
    """
    try:
        with path.open("rb") as packed, _unpacked(packed, path) as file:
            for number, raw in enumerate(file, start=1):
                line = _decoded(raw, path, number, field)
                if blank or line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(field, f"{path} cannot be read: {why}", "check the path and the file") from error


def read_objects(path: Path, field: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, JSON object) of a JSONL file. Raises InputError with the number of a broken line."""
    for number, line in read_lines(path, field):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                field, f"{path}, line {number} is not JSON: {error}", "write one JSON object a line"
            ) from None
        if not isinstance(value, dict):
            raise InputError(field, f"{path}, line {number} is not a JSON object", _EXAMPLE)
        yield number, value


_EXAMPLE = 'write lines such as {"_id": "d1", "title": "...", "text": "..."}'


def _unpacked(file: BufferedReader, path: Path) -> gzip.GzipFile | BufferedReader:
    """Unpacks what says so, by its name or by its first bytes. Peeking keeps a pipe whole."""
    packed = path.suffix == ".gz" or file.peek(len(_GZIP)).startswith(_GZIP)
    return gzip.open(file) if packed else file


def _decoded(raw: bytes, path: Path, number: int, field: str) -> str:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        likely = "UTF-16" if number == 1 and raw.startswith(_UTF_16) else "ISO-8859-1"
        raise InputError(field, f"{path} is not UTF-8 (line {number})", _ICONV.format(likely)) from None
    return text.removesuffix("\n").removesuffix("\r")
