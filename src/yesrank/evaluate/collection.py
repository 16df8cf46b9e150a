"""Test collections: documents, queries and judgments, from a BEIR folder or from separate files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from yesrank.errors import InputError
from yesrank.evaluate.texts import LAYOUT, read_texts
from yesrank.evaluate.trec import Qrels, read_qrels


@dataclass(frozen=True, slots=True)
class Collection:
    """What a ranking is judged on.

    documents, queries: text by id, in the order of their files. qrels: grade by query id and document id, only
    for queries that are in `queries`. instructions, excluded: of the queries that bring their own, the task that the
    model is told, and documents that must not be ranked for it. notes: what is odd about the files, with counts, for a
    person to read.
    """

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Qrels
    notes: tuple[str, ...] = ()
    instructions: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def without_instructions(self) -> "Collection":
        """For a caller who tells the models another task: the queries' own are left aside, with a note."""
        if not self.instructions:
            return self
        note = (
            f"queries: the instructions of {len(self.instructions)} are left aside for the one that was given"
        )
        return replace(self, instructions={}, notes=(*self.notes, note))

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
        raise InputError("collection", f"there is no folder {folder}", LAYOUT)
    qrels = _either(folder / "qrels" / f"{split}.tsv")
    if not qrels.is_file():
        files = [*(folder / "qrels").glob("*.tsv"), *(folder / "qrels").glob("*.tsv.gz")]
        found = sorted({path.name.removesuffix(".gz").removesuffix(".tsv") for path in files})
        raise InputError(
            "split",
            f"there is no {qrels}",
            f"use --split with one of: {', '.join(found)}" if found else LAYOUT,
        )
    corpus, queries = (_either(folder / name) for name in ("corpus.jsonl", "queries.jsonl"))
    return read_files(corpus, queries, qrels, name=folder.resolve().name)


def read_files(corpus: Path, queries: Path, qrels: Path, *, name: str | None = None) -> Collection:
    """A collection from its three files: JSONL, TSV or CSV; judgments in BEIR's or TREC's columns.

    Raises InputError for what is empty, broken, not UTF-8, or ambiguous (one id for two texts).
    """
    documents, questions = read_texts(corpus, "corpus"), read_texts(queries, "queries")
    judged, qrels_notes = read_qrels(qrels)
    kept, notes = _known(judged, documents.texts, questions.texts, qrels)
    return Collection(
        name or corpus.stem,
        documents.texts,
        questions.texts,
        kept,
        (*documents.notes, *questions.notes, *qrels_notes, *notes),
        questions.instructions,
        questions.excluded,
    )


def _either(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.exists() else path


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
