"""The second stage: a model's logit for every candidate, from the score store where it is known."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from yesrank.errors import InputError
from yesrank.evaluate.collection import Collection
from yesrank.evaluate.contender import Contender, Scorer
from yesrank.evaluate.scorestore import Scored, ScoreStore
from yesrank.evaluate.trec import Run, ranked
from yesrank.types import EngineInfo, Progress

_PAIRS_AT_A_TIME = 128
_FIRST_PAIRS, _FEWEST_PAIRS = 16, 8  # fewer than eight at once are slower, whatever the model
_SECONDS_AT_A_TIME = 20.0
"""What a stopped run can lose, and how long nothing is heard of it: a large model takes seconds for one pair."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """A model's work on the candidates.

    logits: by query and document, only candidates. run: these, and below them the rest of the first stage in its own
    order. pairs: all scored pairs, of which `fresh` were computed now; truncated: how many documents were cut.
    per_second: documents a second over all pairs, also those of earlier runs; None without pairs.
    """

    label: str
    info: EngineInfo
    logits: Run
    run: Run
    pairs: int
    fresh: int
    truncated: int
    per_second: float | None


@dataclass(frozen=True, slots=True)
class _Pair:
    query_id: str
    document_id: str
    query: str
    document: str
    instruction: str | None = None

    @property
    def asked(self) -> str:
        """What the store knows the query by: a task of its own is part of it."""
        return self.query if self.instruction is None else json.dumps([self.instruction, self.query])


def rerank(
    contender: Contender,
    collection: Collection,
    candidates: Run,
    below: Run,
    store: ScoreStore,
    *,
    again: bool = False,
    progress: Progress | None = None,
) -> Reranked:
    """Scores every candidate and keeps each batch as soon as it is done.

    candidates, below: the first stage's best documents, and all of its documents. again: score also what is known.
    progress is told how many more pairs are done. Raises ModelError or EngineError.
    """
    scorer = contender.open()
    try:
        key = store.open_run(
            {**contender.settings, "engine": scorer.info.engine, "ran": scorer.info.precision}
        )
        if again:
            store.forget(key)
        pairs = [*_pairs(collection, candidates)]
        known = _known(pairs, store, key)
        if progress is not None:
            progress(len(known))
        missing = [pair for pair in pairs if (pair.query_id, pair.document_id) not in known]
        at, size = 0, _FIRST_PAIRS
        while batch := _batch(missing, at, size):
            done = _score(scorer, batch)
            at += len(batch)
            size = _next_size(done)
            store.put(
                key, ((pair.asked, pair.document, scored) for pair, scored in zip(batch, done, strict=True))
            )
            known |= {(p.query_id, p.document_id): scored for p, scored in zip(batch, done, strict=True)}
            if progress is not None:
                progress(len(batch))
        return _result(contender.label, scorer.info, known, candidates, below, len(missing))
    finally:
        scorer.close()


def with_rest(scores: Run, below: Run) -> Run:
    """The scored documents, and under them the first stage's others in its order."""
    return {query: _appended(scores.get(query, {}), row) for query, row in below.items()}


def _pairs(collection: Collection, candidates: Run) -> Iterator[_Pair]:
    for query, row in candidates.items():
        for document in row:
            told = collection.instructions.get(query)
            yield _Pair(query, document, collection.queries[query], collection.documents[document], told)


def _known(pairs: Sequence[_Pair], store: ScoreStore, key: bytes) -> dict[tuple[str, str], Scored]:
    by_query: dict[str, list[_Pair]] = {}
    for pair in pairs:
        by_query.setdefault(pair.asked, []).append(pair)
    return {
        (pair.query_id, pair.document_id): scored
        for query, group in by_query.items()
        for pair, scored in zip(group, store.get(key, query, [pair.document for pair in group]), strict=True)
        if scored is not None
    }


def _batch(pairs: Sequence[_Pair], begin: int, size: int) -> Sequence[_Pair]:
    """The next `size` pairs; up to a quarter more or less where a query ends there, so that its prefix is shared."""
    near = range(begin + size - size // 4, min(begin + size + size // 4, len(pairs) - 1) + 1)
    ends = [at for at in near if pairs[at].query_id != pairs[at - 1].query_id]
    return pairs[begin : min(ends, key=lambda at: abs(at - begin - size), default=begin + size)]


def _next_size(done: Sequence[Scored]) -> int:
    """As many pairs as take about _SECONDS_AT_A_TIME at the speed of the last batch."""
    wanted = _SECONDS_AT_A_TIME / max(done[0].seconds, 1e-6)
    return int(min(max(wanted, _FEWEST_PAIRS), _PAIRS_AT_A_TIME))


def _score(scorer: Scorer, batch: Sequence[_Pair]) -> list[Scored]:
    started = time.perf_counter()
    rows: list[tuple[float, bool]] = []
    try:
        for told, group in groupby(batch, lambda pair: pair.instruction):
            texts = [(pair.query, pair.document) for pair in group]
            found = scorer.score(texts, instruction=told, as_text=True)
            rows += zip(map(float, found.logits), found.truncated, strict=True)
    except InputError as error:
        raise _with_query(error, scorer, batch) from error
    share = (time.perf_counter() - started) / len(batch)
    return [Scored(logit, cut, share) for logit, cut in rows]


def _with_query(error: InputError, scorer: Scorer, batch: Sequence[_Pair]) -> InputError:
    """The same error, with the id of the query at fault: one that leaves no room for a document."""
    for pair in {pair.query_id: pair for pair in batch}.values():
        try:
            scorer.score([(pair.query, "")], instruction=pair.instruction, as_text=True)
        except InputError as found:
            return InputError("queries", f"{pair.query_id!r}: {found.message}", found.hint)
    return error


def _result(
    label: str,
    info: EngineInfo,
    known: Mapping[tuple[str, str], Scored],
    candidates: Run,
    below: Run,
    fresh: int,
) -> Reranked:
    logits = {query: {name: known[query, name].logit for name in row} for query, row in candidates.items()}
    seconds = sum(scored.seconds for scored in known.values())
    return Reranked(
        label=label,
        info=info,
        logits=logits,
        run=with_rest(logits, below),
        pairs=len(known),
        fresh=fresh,
        truncated=sum(scored.truncated for scored in known.values()),
        per_second=len(known) / seconds if seconds else None,
    )


def _appended(scores: Mapping[str, float], row: Mapping[str, float]) -> dict[str, float]:
    lowest = np.floor(min(scores.values(), default=0.0))
    rest = [name for name in ranked(row) if name not in scores]
    return {**scores, **{name: float(lowest - at) for at, name in enumerate(rest, start=1)}}
