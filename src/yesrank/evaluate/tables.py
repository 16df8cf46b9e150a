"""Documents and queries in tables: TSV and CSV, with or without the names of their columns in the first line."""

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from yesrank.errors import InputError
from yesrank.evaluate.lines import read_lines

IDS = (
    "_id", "id", "docid", "doc_id", "query_id", "qid", "docno", "pid", "did", "passage_id", "document_id", "corpus_id",
    "query-id", "corpus-id", "doc-id", "document-id", "passage-id",
)  # fmt: skip
"""What an id may be called, in JSON and in a table's first line."""
TEXTS = ("text", "contents", "document", "query", "content", "passage", "body", "question")
TITLE = "title"
_TABS, _COMMAS = (".tsv", ".txt"), (".csv",)
_FORM = "write: id TAB text, or name the columns in the first line"
_LONGEST = 2**31 - 1


def is_table(path: Path) -> bool:
    """By its ending, that of gzip left aside."""
    return _suffix(path) in (*_TABS, *_COMMAS)


def read_table(path: Path, field: str, header: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, record) of each row. Where the first line names an id and a text, a record is by those names.

    Without such a line the first column is the id and the rest the text, tabs and all. header is given the names.
    Raises InputError for a row that has other columns than the names, or no text.
    """
    rows = _split(path, field)
    first = next(rows, None)
    if first is None:
        return
    names = [cell.strip().casefold() for cell in first[1]]
    if not _names(names):
        for number, cells in chain([first], rows):
            if len(cells) < 2:
                raise InputError(field, f"{path}, line {number} has one column", _FORM)
            yield number, {"_id": cells[0], "text": _mark(path).join(cells[1:])}
        return
    header += names
    for number, cells in rows:
        if len(cells) != len(names):
            raise InputError(
                field,
                f"{path}, line {number} has {len(cells)} columns, and the first line names {len(names)}",
                "write as many in each line",
            )
        yield number, dict(zip(names, cells, strict=True))


def _names(cells: Sequence[str]) -> bool:
    """Whether it is a line of names: one for the id, one for a text or a title, and each once."""
    known = set(cells)
    return len(known) == len(cells) and not known.isdisjoint(IDS) and not known.isdisjoint((*TEXTS, TITLE))


def _split(path: Path, field: str) -> Iterator[tuple[int, list[str]]]:
    if _suffix(path) in _TABS:
        for number, line in read_lines(path, field):
            if "\r" in line and number == 1:
                raise InputError(
                    field,
                    f"{path} ends its lines with a carriage return alone",
                    "convert it first, for example: tr '\\r' '\\n'",
                )
            yield number, line.split("\t")
        return
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    lines = (line for _, line in read_lines(path, field, blank=True))
    first = next(lines, "")
    marked = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader((f"{line}\n" for line in chain([first], lines)), delimiter=marked, strict=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            field,
            f"{path} is not CSV: {error} (line {number})",
            "quote cells that hold commas, quotes or line ends",
        ) from None


def _mark(path: Path) -> str:
    return "\t" if _suffix(path) in _TABS else ","


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix
