"""The one worker function: a partition -> its rows. The same in one process and on a cluster."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from yesrank.errors import EngineError, InputError
from yesrank.jobs.pairs import Failure, Pair, Partition, Rows
from yesrank.types import EngineInfo, FloatArray, Progress, Prompt

QUERY, NOT_FINITE, ENGINE = "query", "not-finite", "engine"
_PROBE = ("Which planet is known as the Red Planet?", ["Mars is called the Red Planet."])


class Judge(Protocol):
    """What is needed of a Reranker."""

    @property
    def info(self) -> EngineInfo:
        """What is really running."""

    def prompts(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[Prompt]:
        """Texts to token ids. Raises InputError."""

    def logits(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """float32 [N], NaN and infinity included. Raises EngineError."""

    def close(self) -> None:
        """Frees the weights."""


def score(judge: Judge, partition: Partition, report: Progress | None = None) -> Rows:
    """What becomes of each pair. One that cannot be scored is a failure of its own; report: how many more are done.

    Raises EngineError where the engine does not work any more: that is no fault of a pair.
    """
    pairs = partition.pairs
    failures = {at: pair.failure for at, pair in enumerate(pairs) if pair.failure is not None}
    prompts: dict[int, Prompt] = {}
    for at, found in _prompts(judge, pairs):
        if isinstance(found, Failure):
            failures[at] = found
        else:
            prompts[at] = found
    logits = np.full(len(pairs), np.nan, np.float32)
    told = _Told(report, len(pairs))
    for at, logit in zip(prompts, _logits(judge, [*prompts.values()], told), strict=True):
        if isinstance(logit, Failure):
            failures[at] = logit
        else:
            logits[at] = logit
    told.rest()
    truncated = tuple(at in prompts and prompts[at].truncated for at in range(len(pairs)))
    return Rows(logits, truncated, dict(sorted(failures.items())))


def _prompts(judge: Judge, pairs: Sequence[Pair]) -> Iterator[tuple[int, Prompt | Failure]]:
    """By position: the pair's prompt, or why it has none. Neighbours with one query share its prefix."""
    left = [(at, pair) for at, pair in enumerate(pairs) if pair.failure is None]
    for query, group in groupby(left, lambda each: each[1].query):
        places, asked = zip(*group, strict=True)
        documents = [pair.document or "" for pair in asked]
        try:
            yield from zip(
                places,
                judge.prompts(query.text or "", documents, instruction=query.instruction),
                strict=True,
            )
        except InputError as error:
            why = Failure(QUERY, f"{error.message}; {error.hint}" if error.hint else error.message)
            yield from ((at, why) for at in places)


def _logits(judge: Judge, prompts: Sequence[Prompt], told: "_Told") -> list[float | Failure]:
    if not prompts:
        return []
    try:
        found = judge.logits(prompts, told)
    except EngineError as error:
        if len(prompts) == 1:
            _check_works(judge, error)
            return [Failure(ENGINE, error.message)]
        half = len(prompts) // 2
        return [*_logits(judge, prompts[:half], told), *_logits(judge, prompts[half:], told)]
    if not np.isfinite(found).all():
        _check_works(judge, EngineError("the engine returns NaN or infinity for a usual prompt"))
    not_finite = Failure(NOT_FINITE, "the engine returned NaN or infinity")
    return [float(logit) if np.isfinite(logit) else not_finite for logit in found]


def _check_works(judge: Judge, error: EngineError) -> None:
    """Raises `error` where a pair without any fault fails too: the rest of the job would only be failures."""
    try:
        if np.isfinite(judge.logits(judge.prompts(*_PROBE))).all():
            return
    except EngineError:
        pass
    hint = (
        "what is done is kept; check the model with: yesrank verify FOLDER, then run the same command again"
    )
    raise EngineError(f"{error.message}; the engine fails for any pair", error.hint or hint) from error


class _Told:
    """Passes progress on, up to a total: what is computed again after a failure is told once."""

    def __init__(self, report: Progress | None, total: int) -> None:
        self._report, self._left = report, total

    def __call__(self, more: int) -> None:
        now = min(more, self._left)
        self._left -= now
        if self._report is not None and now:
            self._report(now)

    def rest(self) -> None:
        """What failed, or was never computed."""
        self(self._left)
