"""A TREC run, its corpus and its queries -> pairs."""

from collections.abc import Iterable
from pathlib import Path

from yesrank.errors import InputError
from yesrank.evaluate.texts import read_texts
from yesrank.evaluate.trec import Run, ids, ranked, run_and_notes
from yesrank.jobs.pairs import Pair, Query
from yesrank.jobs.reading import Reading

_TOGETHER = "check that they belong together"


def read_trec(run: Path, corpus: Path, queries: Path, top_k: int | None = None) -> Reading:
    """The run's documents of each query, the best first. top_k: only so many of each.

    What the run names and the files lack is a pair without a text, which fails alone. Raises InputError, naming the
    line, or where none of it is there.
    """
    found, odd = run_and_notes(run)
    texts, asked = read_texts(corpus, "corpus"), read_texts(queries, "queries")
    _check_together(found, run, texts.texts.keys(), asked.texts.keys())
    pairs: list[Pair] = []
    for record, (name, scores) in enumerate(found.items()):
        query = Query(name, asked.texts.get(name), asked.instructions.get(name))
        for place, document in enumerate(ranked(scores)[:top_k]):
            pairs.append(Pair(len(pairs), record, place, query, document, texts.texts.get(document)))
    notes = (*odd, *texts.notes, *asked.notes)
    return Reading(tuple(pairs), f"{len(pairs):,} pairs of {run.name}, {len(found):,} queries", notes)


def _check_together(run: Run, path: Path, documents: Iterable[str], queries: Iterable[str]) -> None:
    for what, named, there in (("query", {*run}, queries), ("document", ids(run.values()), documents)):
        if named.isdisjoint(there):
            raise InputError("run", f"{path} names no {what} that its file holds", _TOGETHER)
