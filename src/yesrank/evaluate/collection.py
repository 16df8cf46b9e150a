"""Test collections: documents, queries and judgments, from a BEIR folder or from separate files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from yesrank.errors import InputError
from yesrank.evaluate.lines import read_lines, read_objects
from yesrank.evaluate.trec import Qrels, read_qrels

_ID_KEYS = ("_id", "id", "docid", "doc_id", "query_id", "qid")
_TEXT_KEYS = ("text", "contents", "document", "query")
_TEXT_TABLES = (".tsv", ".txt")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv"


@dataclass(frozen=True, slots=True)
class Collection:
    """What a ranking is judged on.

    documents, queries: text by id, in the order of their files. qrels: grade by query id and document id, only
    for queries that are in `queries`. notes: what is odd about the files, with counts, for a person to read.
    """

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Qrels
    notes: tuple[str, ...] = ()

    def first(self, count: int | None) -> "Collection":
        """Only the first `count` judged queries; the documents stay all."""
        names = list(islice(self.qrels, count))
        return replace(
            self,
            queries={name: self.queries[name] for name in names},
            qrels={name: self.qrels[name] for name in names},
        )


def read_folder(folder: Path, split: str = "test") -> Collection:
    """A BEIR folder. Raises InputError, naming file and line."""
    if not folder.is_dir():
        raise InputError("collection", f"there is no folder {folder}", _LAYOUT)
    qrels = _either(folder / "qrels" / f"{split}.tsv")
    if not qrels.is_file():
        files = [*(folder / "qrels").glob("*.tsv"), *(folder / "qrels").glob("*.tsv.gz")]
        found = sorted({path.name.removesuffix(".gz").removesuffix(".tsv") for path in files})
        raise InputError(
            "split",
            f"there is no {qrels}",
            f"use --split with one of: {', '.join(found)}" if found else _LAYOUT,
        )
    corpus, queries = (_either(folder / name) for name in ("corpus.jsonl", "queries.jsonl"))
    return read_files(corpus, queries, qrels, name=folder.resolve().name)


def read_files(corpus: Path, queries: Path, qrels: Path, *, name: str | None = None) -> Collection:
    """A collection from its three files: JSONL, or id TAB text; judgments in BEIR's or TREC's columns.

    Raises InputError for what is empty, broken, not UTF-8, or ambiguous (one id for two texts).
    """
    documents, document_notes = _texts(corpus, "corpus")
    questions, query_notes = _texts(queries, "queries")
    judged, qrels_notes = read_qrels(qrels)
    kept, notes = _known(judged, documents, questions, qrels)
    return Collection(
        name or corpus.stem, documents, questions, kept, (*document_notes, *query_notes, *qrels_notes, *notes)
    )


def _either(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.exists() else path


def _texts(path: Path, field: str) -> tuple[dict[str, str], tuple[str, ...]]:
    texts: dict[str, str] = {}
    repeated = empty = 0
    for number, name, text in _rows(path, field):
        if name in texts and texts[name] != text:
            raise InputError(
                field, f"{path}, line {number}: the id {name!r} stands for two texts", "give each its own id"
            )
        repeated += name in texts
        empty += not text.strip() and name not in texts
        texts[name] = text
    if not texts:
        raise InputError(field, f"{path} is empty", _LAYOUT)
    notes = (
        (repeated, f"{field}: {repeated} lines repeat an id with the same text; each counts once"),
        (empty, f"{field}: {empty} of {len(texts)} texts are empty"),
    )
    return texts, tuple(note for count, note in notes if count)


def _rows(path: Path, field: str) -> Iterator[tuple[int, str, str]]:
    if Path(path.name.lower().removesuffix(".gz")).suffix in _TEXT_TABLES:
        for number, line in read_lines(path, field):
            name, tab, text = line.partition("\t")
            if not tab:
                raise InputError(field, f"{path}, line {number} has no tab", "write: id TAB text")
            yield number, _id(name, path, number, field, "write: id TAB text"), text
        return
    for number, value in read_objects(path, field):
        yield number, _name(value, path, number, field), _text(value, path, number, field)


def _name(value: Mapping[str, Any], path: Path, number: int, field: str) -> str:
    name = next((value[key] for key in _ID_KEYS if value.get(key) is not None), None)
    known = isinstance(name, str | int) and not isinstance(name, bool)
    return _id(
        str(name) if known else "", path, number, field, 'write it as "_id", a string or a whole number'
    )


def _id(name: str, path: Path, number: int, field: str, hint: str) -> str:
    """Without white space around it, as judgments and runs are read.

    Raises InputError for an id that is empty, and for one that no other file can name: trec_eval ends a name at U+0000,
    and a lone surrogate brings it down.
    """
    name = name.strip()
    if not name:
        raise InputError(field, f"{path}, line {number} has no id", hint)
    if _UNUSABLE.search(name):
        raise InputError(
            field,
            f"{path}, line {number}: the id {name!r} holds U+0000 or half a surrogate pair",
            "write ids that a UTF-8 text file can hold",
        )
    return name


def _text(value: Mapping[str, Any], path: Path, number: int, field: str) -> str:
    """Title, a space, text: as BEIR and mteb join them."""
    text = next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), None)
    if text is None:
        raise InputError(field, f"{path}, line {number} has no text", 'write it as "text"')
    title = value.get("title")
    return f"{title} {text}".strip() if isinstance(title, str) and title.strip() else str(text)


def _known(
    judged: Qrels, documents: Mapping[str, str], queries: Mapping[str, str], path: Path
) -> tuple[Qrels, tuple[str, ...]]:
    """The judgments of known queries, in the order of the queries' file, and what was found odd."""
    kept = {name: judged[name] for name in queries if name in judged}
    if not kept:
        raise InputError(
            "qrels",
            f"{path} names none of the {len(queries)} queries",
            "check that the files belong together",
        )
    unknown = sum(document not in documents for row in kept.values() for document in row)
    total = sum(map(len, kept.values()))
    if unknown == total:
        raise InputError(
            "qrels",
            f"{path} names none of the {len(documents)} documents",
            "check that the files belong together",
        )
    strangers, barren = len(judged) - len(kept), sum(max(row.values()) <= 0 for row in kept.values())
    unjudged = len(queries) - len(kept)
    notes = (
        (strangers, f"qrels: {strangers} queries are not in the queries file; their judgments are left out"),
        (unknown, f"qrels: {unknown} of {total} judgments name documents that the corpus lacks; "
                  "they count as never found, as in trec_eval"),
        (barren, f"qrels: {barren} queries have no relevant document; they count as 0, as in trec_eval"),
        (unjudged, f"queries: {unjudged} of {len(queries)} have no judgments and are left out"),
    )  # fmt: skip
    return kept, tuple(note for count, note in notes if count)
