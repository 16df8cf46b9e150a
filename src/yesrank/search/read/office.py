"""Word documents (.docx) by python-docx: a section a heading; tables a line a row."""

import io
import re
from collections.abc import Iterator
from typing import Any

from yesrank.errors import InputError, MissingExtra
from yesrank.search.sections import Extract, Section

_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo)\s*([1-9])|title", re.IGNORECASE)


def read(data: bytes, name: str) -> Extract:
    """Raises InputError for what is no Word document, MissingExtra."""
    try:
        from docx import Document
    except ImportError:
        raise MissingExtra("python-docx", "files") from None
    try:
        document = Document(io.BytesIO(data))
        sections = tuple(_sections(document))
    except Exception as error:  # zipfile's, lxml's and its own, by what is wrong
        raise InputError("file", f"{name} is no Word document that can be read: {error}") from error
    return Extract("docx", sections)


def _sections(document: Any) -> Iterator[Section]:
    path: list[tuple[int, str]] = []
    held: list[str] = []
    for block in document.iter_inner_content():
        level = _level(block)
        if level is None:
            held.append(_text(block))
            continue
        yield from _section(held, path)
        held = []
        path = [*(each for each in path if each[0] < level), (level, block.text.strip())]
    yield from _section(held, path)


def _section(held: list[str], path: list[tuple[int, str]]) -> Iterator[Section]:
    text = "\n\n".join(each for each in held if each.strip())
    if text:
        yield Section(text, tuple(title for _, title in path if title))


def _level(block: Any) -> int | None:
    """The level of a heading, 0 for a title; None for a table or another paragraph."""
    style = getattr(block, "style", None)
    if not hasattr(block, "runs") or style is None or not block.text.strip():
        return None
    found = _HEADING.fullmatch(str(style.name or ""))
    return None if found is None else int(found.group(1) or 0)


def _text(block: Any) -> str:
    if hasattr(block, "rows"):
        return "\n".join(_row(row) for row in block.rows)
    return str(block.text)


def _row(row: Any) -> str:
    """The cells of a row; one that goes over several columns is told several times, and taken once."""
    cells: list[str] = []
    seen: set[int] = set()
    for cell in row.cells:
        if id(cell._tc) not in seen:
            seen.add(id(cell._tc))
            cells.append(" ".join(cell.text.split()))
    return " | ".join(cells)
