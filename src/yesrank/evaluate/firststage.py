"""The first stage: what finds the candidates. BM25 over the whole corpus, or a TREC run made elsewhere."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yesrank.errors import InputError, MissingExtra
from yesrank.evaluate.collection import Collection
from yesrank.evaluate.ownid import left_out
from yesrank.evaluate.trec import Run, ids, run_and_notes
from yesrank.evaluate.words import detect, terms_for

DEPTH = 1000
"""How many documents of a query the first stage keeps: trec_eval's custom, and the depth of AP here."""
_K1, _B = 0.9, 0.4


@dataclass(frozen=True, slots=True)
class FirstStage:
    """Scores by query and document, at most DEPTH a query, for judged queries only. how: a line for a person."""

    name: str
    how: str
    run: Run
    notes: tuple[str, ...] = ()


def bm25(collection: Collection, language: str | None = None, *, keep_own_id: bool = False) -> FirstStage:
    """BM25 as Lucene computes it, k1 0.9, b 0.4 (Anserini's defaults), by bm25s.

    language: one of words.LANGUAGES; None guesses it from the documents. Documents that share no term with a query
    are no candidates, nor are those that a query excludes and, unless keep_own_id, the one that is the query itself
    (ownid.py). Raises InputError or MissingExtra.
    """
    try:
        import bm25s
    except ImportError:
        raise MissingExtra("bm25s", "eval") from None
    started = time.perf_counter()
    chosen = language or detect(collection.documents.values())
    terms = terms_for(chosen)
    index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    documents = terms([*collection.documents.values()])
    if not any(documents):
        raise InputError("corpus", "no document holds a word", "check the corpus, or give --language")
    index.index(documents, show_progress=False)
    names = np.array([*collection.documents], dtype=object)
    asked = [*collection.qrels]
    left = left_out(collection, keep_own_id=keep_own_id)
    places = {name: at for at, name in enumerate(collection.documents)}
    run = {
        query: _best(_without(index.get_scores(words), [places[name] for name in left.of(query)]), names)
        for query, words in zip(asked, terms([collection.queries[name] for name in asked]), strict=True)
        if words
    }
    seconds = time.perf_counter() - started
    how = f"BM25 (k1 {_K1}, b {_B}, language {chosen}{'' if language else ', detected'}), {seconds:.1f} s"
    return FirstStage("bm25", how, run, (*left.notes, *_without_candidates(run, asked)))


def from_run(collection: Collection, path: Path, *, keep_own_id: bool = False) -> FirstStage:
    """A TREC run file. What it names and the collection lacks is left out, with a note that counts it.

    So is what `bm25` leaves out. Raises InputError where nothing is left.
    """
    given, odd = run_and_notes(path)
    shared = {query: given[query] for query in collection.qrels if query in given}
    if not shared:
        raise InputError(
            "run",
            f"{path} names none of the {len(collection.qrels)} judged queries",
            "check that they belong together",
        )
    documents = collection.documents
    left = left_out(collection, keep_own_id=keep_own_id)
    known = {
        query: {name: s for name, s in row.items() if name in documents and name not in left.of(query)}
        for query, row in shared.items()
    }
    strangers = len(ids(shared.values()) - documents.keys())
    if not any(known.values()):
        raise InputError("run", f"{path} names no document of the corpus", "check that they belong together")
    notes = [f"run: {strangers} documents are not in the corpus and are left out"] if strangers else []
    others = len(given.keys() - collection.queries.keys())
    notes += [f"run: {others} queries are not among those evaluated and are left out"] if others else []
    run = {query: _deepest(row) for query, row in known.items() if row}
    deeper = sum(len(row) > DEPTH for row in known.values())
    notes += (
        [f"run: {deeper} queries have more than {DEPTH} documents; the best {DEPTH} are kept"]
        if deeper
        else []
    )
    return FirstStage(
        path.stem,
        f"run file {path.name}",
        run,
        (*odd, *notes, *left.notes, *_without_candidates(run, collection.qrels)),
    )


def _without(scores: np.ndarray, places: list[int]) -> np.ndarray:
    scores[places] = 0
    return scores


def _best(scores: np.ndarray, names: np.ndarray) -> dict[str, float]:
    """The best documents with a score above 0, best first, ties by the later id as everywhere."""
    found = np.flatnonzero(scores > 0)
    if len(found) > DEPTH:
        threshold = np.partition(scores[found], -DEPTH)[-DEPTH]
        found = found[scores[found] >= threshold]
    return _deepest({str(names[at]): float(scores[at]) for at in found})


def _deepest(scores: Mapping[str, float]) -> dict[str, float]:
    from yesrank.evaluate.trec import top

    return top(scores, DEPTH)


def _without_candidates(run: Run, queries: Mapping[str, object] | list[str]) -> tuple[str, ...]:
    missing = sum(not run.get(query) for query in queries)
    note = f"first stage: {missing} of {len(queries)} judged queries have no candidate; they count as 0"
    return (note,) if missing else ()
