"""CSV and TSV -> passages."""

import csv
import io
from collections.abc import Iterator, Sequence

from yesrank.documents.bounds import check_cells, within
from yesrank.documents.fields import IDS, TITLE, id_of, titled, usual
from yesrank.documents.passages import Options, Part, Passage, bad
from yesrank.documents.texts import lines

_DELIMITERS = (",", ";", "\t")
_NAMES = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV"}
_LARGEST_CELL = 2**31 - 1
_LONGEST_NAME = 40

Row = tuple[int, list[str]]
"""The line that it begins at, and its cells."""


def read_table(text: str, name: str, options: Options, *, delimiter: str | None = None) -> Part:
    """The column that holds texts, with the columns title and id where there are some.

    delimiter: None for the one that the first line has most of, or that a line such as sep=; names.
    Raises InputError where the column is not known, and for a row that has other columns than the first.
    """
    first, skipped = _first_line(text)
    mark = delimiter or (first[4] if skipped else _likeliest(first))
    rows, notes = _rows(text, name, mark, skipped, options)
    if not rows:
        return Part((), _NAMES[mark])
    names = [cell.strip() for cell in rows[0][1]]
    column = _column(names, name, options.field)
    if column is None:  # the first row holds no names
        index = int(options.field) - 1 if options.field else 0
        names, what = [], f"column {index + 1}, no row of names"
    else:
        index, what, rows = column, f"column {names[column]}", rows[1:]
    width = max(len(names), index + 1) if names else len(rows[0][1])
    passages = tuple(_passage(row, names, index, width, name) for row in rows)
    empty = sum(not passage.text.strip() for passage in passages)
    if empty:
        notes = (*notes, f"{name}: {empty} of {len(passages)} documents are empty")
    return Part(passages, f"{_NAMES[mark]}, {what}", notes)


def seems_table(text: str) -> bool:
    """Whether the first line is a row of names, one of them a usual one for texts."""
    first, _ = _first_line(text)
    cells = [cell.strip().strip('"') for cell in first.split(_likeliest(first))]
    short = all(0 < len(cell) <= _LONGEST_NAME for cell in cells)
    return len(cells) > 1 and short and len({*cells}) == len(cells) and usual(cells) is not None


def _first_line(text: str) -> tuple[str, bool]:
    """The first line that holds something, and whether it only names the delimiter, as Excel writes it."""
    first = next((line for _, line in lines(text)), "")
    return first, len(first) == 5 and first.lower().startswith("sep=") and first[4] in _DELIMITERS


def _likeliest(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _rows(
    text: str, name: str, mark: str, skipped: bool, options: Options
) -> tuple[list[Row], tuple[str, ...]]:
    try:
        found = within(_quoted(text, mark, options), name, options, more=2)
        return list(found)[skipped:], ()
    except csv.Error as error:
        if mark != "\t":
            raise bad(
                f"{name} is not CSV: {error.args[0]} (line {error.args[1]})",
                "a cell that holds a quotation mark is quoted, and the mark doubled",
            ) from None
    # in TSV a quotation mark is text, where nobody has quoted anything
    plain = [(number, line.split("\t")) for number, line in within(lines(text), name, options, more=2)]
    return plain[skipped:], (f"{name}: its quotation marks are taken as text",)


def _quoted(text: str, mark: str, options: Options) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
    whole = check_cells(io.StringIO(text, newline=""), mark, options)
    reader = csv.reader(whole, delimiter=mark, strict=True)
    begin = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield begin, row
            begin = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(str(error), begin) from None


def _column(names: Sequence[str], name: str, field: str | None) -> int | None:
    """The place of the column of texts; None where the first row is a document already."""
    if field is not None and field not in names and field.isdecimal():
        if not 1 <= int(field) <= len(names):
            raise bad(f"{name} has {len(names)} columns, and no column {field}", _which(names))
        return None
    chosen = usual(names) if field is None else field if field in names else None
    if chosen is not None:
        return names.index(chosen)
    if field is None and len(names) == 1:
        return None
    what = "no column is called as texts usually are" if field is None else f"no column is called {field!r}"
    raise bad(
        f"{name}: {what}; its first row is: {', '.join(cell[:_LONGEST_NAME] for cell in names)}",
        _which(names),
    )


def _which(names: Sequence[str]) -> str:
    likely = next((cell for cell in names if usual([cell], (*IDS, TITLE)) is None), names[0])
    return (
        f"say which holds the texts: --field {likely[:_LONGEST_NAME]!r}; "
        f"or by number, where the first row is no row of names: --field {len(names)}"
    )


def _passage(row: Row, names: Sequence[str], index: int, width: int, source: str) -> Passage:
    number, cells = row
    if any(cell.strip() for cell in cells[width:]) or index >= len(cells):
        raise bad(
            f"{source}, line {number} has {len(cells)} columns, not {width}",
            "quote a text that holds the delimiter",
        )
    record = dict(zip(names, cells, strict=False))
    text = titled(record, names[index], cells[index]) if names else cells[index]
    return Passage(text, id_of(record), f"{source}:{number}")
