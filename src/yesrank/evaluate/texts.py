"""Files of documents and of queries -> texts by id, and what a query brings besides its text."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yesrank.errors import InputError
from yesrank.evaluate.lines import read_objects
from yesrank.evaluate.tables import IDS, TEXTS, TITLE, is_table, read_table
from yesrank.prompt import is_blank
from yesrank.rendered import LABELS, UNWRAPPED, plain

LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv"
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_INSTRUCTION, _EXCLUDED = "instruction", "excluded_ids"
_ALONE = 'write the query alone, and its instruction as "instruction"'


@dataclass(slots=True)
class Texts:
    """texts: by id, in the order of the file. instructions, excluded: of the queries that have their own."""

    texts: dict[str, str] = field(default_factory=dict)
    instructions: dict[str, str] = field(default_factory=dict)
    excluded: dict[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    """One line. where: how an error names it. labelled: its query came with labels of a prompt."""

    where: str
    name: str
    text: str
    title_only: bool = False
    instruction: str | None = None
    excluded: frozenset[str] = frozenset()
    labelled: bool = False


def read_texts(path: Path, field: str) -> Texts:
    """field: "corpus" or "queries", as errors and notes name it. Raises InputError, naming the line."""
    found = Texts()
    repeated = empty = titles = labelled = 0
    header: list[str] = []
    for row in _rows(path, field, header):
        known = row.name in found.texts
        if known and (found.texts[row.name], found.instructions.get(row.name)) != (row.text, row.instruction):
            raise InputError(
                field, f"{row.where}: the id {row.name!r} stands for two texts", "give each its own id"
            )
        repeated += known
        empty += not known and not row.text.strip()
        titles += not known and row.title_only
        labelled += not known and row.labelled
        found.texts[row.name] = row.text
        if row.instruction is not None:
            found.instructions[row.name] = row.instruction
        if row.excluded:
            found.excluded[row.name] = row.excluded
    if not found.texts:
        raise InputError(field, f"{path} is empty", LAYOUT)
    size, own, left = len(found.texts), len(found.instructions), len(found.excluded)
    notes = (
        (bool(header), f"{field}: the first line names the columns: {', '.join(header)}"),
        (repeated, f"{field}: {repeated} lines repeat an id with the same text; each counts once"),
        (empty, f"{field}: {empty} of {size} texts are empty"),
        (titles, f"{field}: {titles} of {size} have a title and no text; the title is their text"),
        (labelled, f"{field}: {labelled} of {size} came with labels of a prompt, and were taken out of them"),
        (own, f"{field}: {own} of {size} bring an instruction of their own, which the models are told"),
        (left, f"{field}: {left} of {size} bring documents that are not to be ranked, which are left out"),
    )
    found.notes = tuple(note for count, note in notes if count)
    return found


def _rows(path: Path, field: str, header: list[str]) -> Iterator[_Row]:
    """header: is given the names of a table's columns, where its first line holds them."""
    records = read_table(path, field, header) if is_table(path) else read_objects(path, field)
    for number, record in records:
        where = f"{path}, line {number}"
        name = _name(record, where, field)
        text, title_only = _text(record, where, field)
        row = _Row(where, name, text, title_only)
        yield _query(row, record) if field == "queries" else row


def _query(row: _Row, record: Mapping[str, Any]) -> _Row:
    """With what queries may bring. Raises InputError for labels that can be read in more than one way."""
    if is_blank(row.text):
        raise InputError(
            "queries", f"{row.where}: the query is empty", "give the question, or leave the line out"
        )
    told = _instruction(record, row.where)
    excluded = _excluded(record, row.where)
    try:
        found = plain([row.text], [], instruction=told)
    except InputError as error:
        raise InputError("queries", f"{row.where}: the {error.message}", _ALONE) from None
    if UNWRAPPED in found.notes:
        raise InputError("queries", f"{row.where}: the query is in the model's chat template", _ALONE)
    own = found.instructions[0] or told
    return _Row(row.where, row.name, found.queries[0], row.title_only, own, excluded, LABELS in found.notes)


def _instruction(record: Mapping[str, Any], where: str) -> str | None:
    told = record.get(_INSTRUCTION)
    if told is None or (isinstance(told, str) and not told.strip()):
        return None
    if not isinstance(told, str):
        raise InputError(
            "queries", f"{where}: instruction must be a string", "write one text, or leave it out"
        )
    return told.strip()


def _excluded(record: Mapping[str, Any], where: str) -> frozenset[str]:
    """BRIGHT's: ids of documents, or a single "N/A", which is none's."""
    given = record.get(_EXCLUDED)
    if given is None or given == "":
        return frozenset()
    if not isinstance(given, list) or not all(isinstance(each, str | int) for each in given):
        raise InputError("queries", f"{where}: {_EXCLUDED} must be a list of ids", 'write it as ["d1", "d2"]')
    return frozenset(str(each).strip() for each in given) - {"N/A", ""}


def _name(record: Mapping[str, Any], where: str, field: str) -> str:
    name = next((record[key] for key in IDS if record.get(key) is not None), None)
    known = isinstance(name, str | int) and not isinstance(name, bool)
    return _id(str(name) if known else "", where, field)


def _id(name: str, where: str, field: str) -> str:
    """Without white space around it, as judgments and runs are read.

    Raises InputError for an id that is empty, and for one that no other file can name: trec_eval ends a name at U+0000,
    and a lone surrogate brings it down.
    """
    name = name.strip()
    if not name:
        raise InputError(field, f"{where} has no id", 'write it as "_id", or in a table\'s first column')
    if _UNUSABLE.search(name):
        raise InputError(
            field,
            f"{where}: the id {name!r} holds U+0000 or half a surrogate pair",
            "write ids that a UTF-8 text file can hold",
        )
    return name


def _text(record: Mapping[str, Any], where: str, field: str) -> tuple[str, bool]:
    """Title, a space, text: as BEIR and mteb join them; and whether there is nothing but a title."""
    text = next((record[key] for key in TEXTS if isinstance(record.get(key), str)), None)
    title = record.get(TITLE)
    titled = isinstance(title, str) and bool(title.strip())
    if text is None and not (titled and field == "corpus"):
        raise InputError(field, f"{where} has no text", 'write it as "text"')
    whole = " ".join(str(part) for part in (title if titled else None, text) if part is not None)
    return (whole.strip() if titled else whole), titled and not (text or "").strip()
