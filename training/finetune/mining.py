"""Hard negatives: what BM25 finds for a query and nobody called relevant; sifted by the model on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from training.finetune.examples import Example, Pool
from yesrank.errors import InputError
from yesrank.evaluate.words import detect, terms_for

DEPTH = 24
"""Hits of BM25 that are looked at for each query."""
_K1, _B = 0.9, 0.4

Score = Callable[[Example, Sequence[int]], Sequence[float]]
"""(example, positions of documents) -> probabilities that they answer its query."""


def mine_bm25(pool: Pool, examples: Sequence[Example], depth: int = DEPTH) -> list[Example]:
    """The examples with the best `depth` documents of BM25 that are not known to answer their query.

    Raises MissingExtra, or InputError where no document holds a word.
    """
    found: dict[str, tuple[int, ...]] = {}
    queries = [*dict.fromkeys(example.query for example in examples)]
    for query, hits in zip(queries, _hits(pool.documents, queries, depth + DEPTH), strict=True):
        answers = pool.answers(query)
        found[query] = tuple(hit for hit in hits if hit not in answers)[:depth]
    return [replace(example, mined=found[example.query]) for example in examples]


def sift(example: Example, score: Score, guard: float, keep: int) -> Example:
    """Keeps the mined negatives that the model itself finds hardest, best first.

    A document that scores more than `guard` times the positive's probability is taken for an answer that nobody has
    marked, and is dropped (the rule TopK-PercPos of NV-Retriever, Moreira et al. 2024, with guard 0.95).
    """
    if not example.mined:
        return example
    positive, *others = score(example, (example.positive, *example.mined))
    ranked = sorted(zip(others, example.mined, strict=True), key=lambda pair: (-pair[0], pair[1]))
    kept = tuple(place for value, place in ranked if value <= guard * positive)
    return replace(example, mined=kept[:keep])


def _hits(documents: Sequence[str], queries: Sequence[str], depth: int) -> Iterator[list[int]]:
    """Positions of the best documents that share a term with each query, best first."""
    import bm25s

    terms = terms_for(detect(documents))
    words = terms(documents)
    if not any(words):
        raise InputError("pairs", "no document holds a word, so BM25 finds nothing", "use --mine none")
    index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    index.index(words, show_progress=False)
    for asked in terms(queries):
        if not asked:
            yield []
            continue
        scores = index.get_scores(asked)
        best = np.argsort(-scores, kind="stable") if len(scores) <= depth else _best(scores, depth)
        yield [int(place) for place in best if scores[place] > 0]


def _best(scores: np.ndarray, depth: int) -> np.ndarray:
    """Positions of the highest scores, best first, ties by position."""
    threshold = np.partition(scores, -depth)[-depth]
    above = np.flatnonzero(scores >= threshold)
    return above[np.argsort(-scores[above], kind="stable")][:depth]
