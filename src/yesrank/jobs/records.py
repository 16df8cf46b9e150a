"""One record of the input, from JSONL or Parquet alike -> its pairs. Which field is which, and nothing guessed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from yesrank.documents.fields import TEXTS, TITLE, id_of, titled, usual
from yesrank.errors import InputError
from yesrank.jobs.pairs import Pair, Query

FIELD = "input"
_QUERIES = ("query", "question")
_LISTS = ("documents", "candidates", "passages", "docs")
_QUERY_IDS = ("query_id", "query-id", "queryid", "qid", "topic")
_DOCUMENT_IDS = (
    "document_id",
    "document-id",
    "doc_id",
    "doc-id",
    "docid",
    "corpus_id",
    "corpus-id",
    "docno",
    "pid",
)
_RECORD_IDS = ("id", "_id")
_INSTRUCTION = "instruction"
_MANY = 8
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_FORM = 'write {"query": "...", "documents": ["...", ...]}, or a pair: {"query": "...", "document": "..."}'


@dataclass(slots=True)
class Reader:
    """Turns records into pairs and numbers them. used, unused: names of fields, and in how many records each was."""

    used: dict[str, int] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    without: int = 0
    _rows: Iterator[int] = field(default_factory=count)
    _records: Iterator[int] = field(default_factory=count)

    def pairs(self, record: Mapping[str, Any], where: str) -> Iterator[Pair]:
        """The pairs of a record: one for each of its documents. Raises InputError, which names the place."""
        names = [*record]
        asked, many = usual(names, _QUERIES), usual(names, _LISTS)
        text = usual(names, TEXTS)
        if asked is None or (many is None and text is None):
            missing = "query" if asked is None else "document"
            raise InputError(FIELD, f"{where} has no {missing}; it has {_listed(names)}", _FORM)
        if many is not None and isinstance(record[many], list):
            found = self._of_query(record, where, asked, many)
        elif text is None:
            raise InputError(FIELD, f"{where}: {many} must be a list of documents", _FORM)
        else:
            found = self._of_pair(record, where, asked, text)
        return found

    def _of_query(self, record: Mapping[str, Any], where: str, asked: str, many: str) -> Iterator[Pair]:
        name = usual([*record], _QUERY_IDS) or usual([*record], _RECORD_IDS)
        query = self._query(record, where, asked, name)
        self._count(record, asked, many, name, usual([*record], (_INSTRUCTION,)))
        at = next(self._records)
        self.without += not record[many]
        for number, given in enumerate(record[many]):
            place = f"{where}, {many}[{number}]"
            document, own = _document(given, place)
            yield Pair(next(self._rows), at, number, query, own, document)

    def _of_pair(self, record: Mapping[str, Any], where: str, asked: str, text: str) -> Iterator[Pair]:
        query_id, own = usual([*record], _QUERY_IDS), usual([*record], _DOCUMENT_IDS)
        query = self._query(record, where, asked, query_id)
        title = usual([*record], (TITLE,))
        self._count(record, asked, text, query_id, own, title, usual([*record], (_INSTRUCTION,)))
        given = _string(record[text], f"{where}: {text}")
        document = None if given is None else titled(record, text, given)
        name = None if own is None else _id(record[own], f"{where}: {own}")
        yield Pair(next(self._rows), next(self._records), 0, query, name, document)

    def _query(self, record: Mapping[str, Any], where: str, asked: str, name: str | None) -> Query:
        told = usual([*record], (_INSTRUCTION,))
        instruction = None if told is None else _string(record[told], f"{where}: {told}")
        return Query(
            None if name is None else _id(record[name], f"{where}: {name}"),
            _string(record[asked], f"{where}: {asked}"),
            instruction if instruction and instruction.strip() else None,
        )

    def _count(self, record: Mapping[str, Any], *used: str | None) -> None:
        for name in record:
            counts = self.used if name in used else self.unused
            counts[name] = counts.get(name, 0) + 1


def _document(given: object, where: str) -> tuple[str | None, str | None]:
    """(text, id) of one of a query's documents: a string, an object with a text, or null, which has no text."""
    if not isinstance(given, Mapping):
        return _string(given, where), None
    field_name = usual([*given], TEXTS)
    if field_name is None:
        raise InputError(FIELD, f"{where} has no text; it has {_listed([*given])}", 'call it "text"')
    text = _string(given[field_name], f"{where}: {field_name}")
    name = usual([*given], _DOCUMENT_IDS)
    own = given[name] if name is not None else id_of(given)
    return (None if text is None else titled(given, field_name, text)), _id(own, f"{where}: its id")


def _string(value: object, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InputError(FIELD, f"{where} must be a string, not {type(value).__name__}", _FORM)


def _id(value: object, where: str) -> str | None:
    """Strings and whole numbers. Raises InputError for what neither Parquet nor a run can hold."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(FIELD, f"{where} must be a string or a whole number, not {type(value).__name__}")
    if _UNUSABLE.search(name := str(value)):
        raise InputError(
            FIELD,
            f"{where} holds U+0000 or half a surrogate pair",
            "write ids that a UTF-8 text file can hold",
        )
    return name


def _listed(names: list[str]) -> str:
    return (", ".join(names[:_MANY]) + (", ..." if len(names) > _MANY else "")) or "nothing"
