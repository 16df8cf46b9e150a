"""JSON, JSONL, CSV and TSV: a section a record, as the one reader of documents takes them."""

import re

from yesrank.documents import read_source
from yesrank.search.sections import Extract, Section

_LINE = re.compile(r".*:(\d+)", re.DOTALL)


def read(data: bytes, name: str) -> Extract:
    """Raises InputError where it holds no documents, or their text is under no usual name."""
    part = read_source(data, name)
    sections = tuple(
        Section(passage.text, line=_line(passage.source), id=passage.id)
        for passage in part.passages
        if passage.text.strip()
    )
    return Extract(part.what.partition(",")[0], sections, part.notes)


def _line(source: str | None) -> int | None:
    found = _LINE.fullmatch(source or "")
    return int(found.group(1)) if found else None
