"""Scores of a benchmark as they are computed, kept: mteb itself only keeps the results of whole subsets."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from yesrank.evaluate.contender import decided_by_running
from yesrank.evaluate.scorestore import Scored, ScoreStore
from yesrank.models.reranker import Reranker
from yesrank.types import FloatArray, Progress

_PAIRS_AT_A_TIME = 128
"""What a stopped run can lose."""

Pair = tuple[str, str]


def kept_logits(
    reranker: Reranker, pairs: Sequence[Pair], instruction: str, store: ScoreStore, *, progress: bool = False
) -> FloatArray:
    """Logits of (query, document) pairs, float32 [N]; those in the store are not computed again.

    Raises InputError or EngineError.
    """
    key = store.open_run(_settings(reranker, instruction))
    known = _known(pairs, store, key)
    missing = [pair for pair in dict.fromkeys(pairs) if pair not in known]
    with _reporter(progress, len(missing)) as report:
        for batch in _batches(missing):
            started = time.perf_counter()
            found = reranker.score(batch, instruction=instruction, as_text=True)
            share = (time.perf_counter() - started) / len(batch)
            rows = [
                (*pair, Scored(float(logit), cut, share))
                for pair, logit, cut in zip(batch, found.logits, found.truncated, strict=True)
            ]
            store.put(key, rows)
            known |= {(query, document): scored.logit for query, document, scored in rows}
            report(len(batch))
    return np.array([known[pair] for pair in pairs], np.float32)


def _settings(reranker: Reranker, instruction: str) -> Mapping[str, object]:
    """All that a logit depends on besides the two texts."""
    info = reranker.info
    return {
        **decided_by_running(reranker),
        "device": info.device,
        "engine": info.engine,
        "ran": info.precision,
        "template": reranker.template.name,
        "max_length": reranker.max_length,
        "instruction": instruction,
    }


def _known(pairs: Sequence[Pair], store: ScoreStore, key: bytes) -> dict[Pair, float]:
    by_query: dict[str, list[str]] = {}
    for query, document in pairs:
        by_query.setdefault(query, []).append(document)
    return {
        (query, document): scored.logit
        for query, documents in by_query.items()
        for document, scored in zip(documents, store.get(key, query, documents), strict=True)
        if scored is not None
    }


def _batches(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Whole queries, whose prefix is then computed once."""
    batch: list[Pair] = []
    for pair in pairs:
        if len(batch) >= _PAIRS_AT_A_TIME and pair[0] != batch[-1][0]:
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def _reporter(progress: bool, total: int) -> AbstractContextManager[Progress]:
    if not progress:
        return nullcontext(lambda _done: None)
    from yesrank.models.progress import bar

    return bar("scoring", total)
