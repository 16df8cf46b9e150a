"""Reads text files line by line. Only LF ends a line: U+2028, U+0085 and the like are text."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yesrank.errors import InputError

_ICONV = "convert it first, for example: iconv -f ISO-8859-1 -t UTF-8"


def read_lines(path: Path, field: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, text) of the lines that hold something; `.gz` is unpacked.

    field: the argument that errors name. Raises InputError where the file cannot be read or is not UTF-8.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if line := _decoded(raw, path, number, field):
                    yield number, line
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(field, f"{path} cannot be read: {why}", "check the path and the file") from error


def read_objects(path: Path, field: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, JSON object) of a JSONL file. Raises InputError with the number of a broken line."""
    for number, line in read_lines(path, field):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(
                field, f"{path}, line {number} is not JSON: {error}", "write one JSON object a line"
            ) from None
        if not isinstance(value, dict):
            raise InputError(field, f"{path}, line {number} is not a JSON object", _EXAMPLE)
        yield number, value


_EXAMPLE = 'write lines such as {"_id": "d1", "title": "...", "text": "..."}'


def _decoded(raw: bytes, path: Path, number: int, field: str) -> str:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise InputError(field, f"{path} is not UTF-8 (line {number})", _ICONV) from None
    text = text.removesuffix("\n").removesuffix("\r")
    return text if text.strip() else ""
