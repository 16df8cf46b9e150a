"""Candidates -> what is shown: ordered by the reranker, each with its best sentence.

The steps are told what to judge and are given logits, so that they serve a caller that waits and one that does not.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from yesrank import head
from yesrank.errors import InputError
from yesrank.fusion import weighted
from yesrank.prompt import check_not_blank
from yesrank.search.reading import Candidate, Index, Passage
from yesrank.search.sentences import sentences
from yesrank.search.terms import Wanted, terms_of
from yesrank.types import FloatArray

FIRST_STAGE = 0.4
"""The weight of the first stage beside the built-in model, chosen on training queries (docs/builtin-model.md)."""
TOP, CANDIDATES, MOST_CANDIDATES = 10, 50, 1000
Steps = Generator[list[str], FloatArray, "Answer"]
"""Yields texts that are to be judged for the query, is sent their logits, and returns the answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that answers. first: its score in the first stage. score, logit: the reranker's, None without one.

    best: where in the passage's text the sentence stands that answers best, as (start, end).
    """

    passage: Passage
    first: float
    score: float | None = None
    logit: float | None = None
    best: tuple[int, int] | None = None

    @property
    def sentence(self) -> str | None:
        """The text of the best sentence."""
        return None if self.best is None else self.passage.text[slice(*self.best)]

    def as_data(self) -> dict[str, Any]:
        """Plain data, the same for the command line, HTTP and agents."""
        passage = self.passage
        return {
            **passage.as_data(),
            "score": self.score,
            "logit": self.logit,
            "first_stage": self.first,
            "best": None
            if self.best is None
            else {"start": self.best[0], "end": self.best[1], "text": self.sentence},
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What is shown, best first. candidates: how many the first stage gave. fused: whether its score counts."""

    found: tuple[Found, ...]
    candidates: int
    fused: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and how much of an answer is wanted. candidates: how many passages the reranker judges.

    fused: whether the order is that of 0.4 times the first stage's score and 0.6 times the logit, both standardised:
    for the built-in model, which alone is no better than the first stage.
    """

    query: str
    top: int = TOP
    candidates: int = CANDIDATES
    rerank: bool = True
    fused: bool = False

    def __post_init__(self) -> None:
        """Raises InputError, which names the field."""
        check_not_blank("query", self.query)
        for name, value in (("top", self.top), ("candidates", self.candidates)):
            if not 1 <= value <= MOST_CANDIDATES:
                raise InputError(name, f"must be 1 to {MOST_CANDIDATES}, not {value}")


def search(index: Index, asked: Asked, judge: Callable[[list[str]], FloatArray] | None = None) -> Answer:
    """Runs all steps. judge: texts -> logits float32 [N] for the query; None for the first stage alone."""
    steps = ranked(index, asked if judge is not None else replace(asked, rerank=False))
    try:
        texts = next(steps)
        while judge is not None:
            texts = steps.send(judge(texts))
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    raise AssertionError("the first stage alone judges nothing")


def ranked(index: Index, asked: Asked) -> Steps:
    """The steps of one query. Raises as Index.candidates."""
    wanted = max(asked.top, asked.candidates if asked.rerank else 0)
    candidates = index.candidates(asked.query, wanted)
    if not candidates:
        return Answer((), 0, asked.fused)
    words = index.words(asked.query)
    if not asked.rerank:
        found = [Found(each.passage, each.score) for each in candidates[: asked.top]]
        return Answer(tuple(_marked(each, words, None) for each in found), len(candidates))
    logits = yield [each.passage.shown for each in candidates]
    ordered = _ordered(candidates, logits, fused=asked.fused)[: asked.top]
    spans = [_spans(each.passage) for each in ordered]
    several = [at for at, each in enumerate(spans) if len(each) > 1]
    judged: dict[int, FloatArray] = {}
    if several:
        texts = [ordered[at].passage.text[start:end] for at in several for start, end in spans[at]]
        told = yield texts
        ends = np.cumsum([len(spans[at]) for at in several])[:-1]
        judged = dict(zip(several, np.split(told, ends), strict=True))
    found = [_marked(each, words, judged.get(at), fused=asked.fused) for at, each in enumerate(ordered)]
    return Answer(tuple(found), len(candidates), asked.fused)


def _ordered(candidates: Sequence[Candidate], logits: FloatArray, *, fused: bool) -> list[Found]:
    first = np.array([each.score for each in candidates], np.float64)
    keys = weighted(first, logits, FIRST_STAGE) if fused else logits
    scores = head.scores(logits)
    return [
        Found(candidates[at].passage, float(first[at]), float(scores[at]), float(logits[at]))
        for at in np.argsort(-keys, kind="stable")
    ]


def _spans(passage: Passage) -> list[tuple[int, int]]:
    """Sentences; of source code lines, which the words of the query decide on."""
    return [] if passage.kind.startswith("code") else [*sentences(passage.text)]


def _marked(
    found: Found, words: Sequence[tuple[Wanted, float]], logits: FloatArray | None, *, fused: bool = False
) -> Found:
    """With the best sentence: by the reranker, with the words' weights where those count; else by these alone."""
    passage = found.passage
    spans = _spans(passage) or _lines(passage.text)
    if len(spans) < 2:
        return replace(found, best=spans[0] if spans else None)
    overlap = [_overlap(passage.text[start:end], words) for start, end in spans]
    if logits is None:
        keys = np.array(overlap)
    else:
        keys = weighted(overlap, logits, FIRST_STAGE) if fused else np.asarray(logits, np.float64)
    return replace(found, best=spans[int(np.argmax(keys))])


def _lines(text: str) -> list[tuple[int, int]]:
    found, begin = [], 0
    for line in text.split("\n"):
        if line.strip():
            found.append((begin + len(line) - len(line.lstrip()), begin + len(line.rstrip())))
        begin += len(line) + 1
    return found


def _overlap(text: str, words: Sequence[tuple[Wanted, float]]) -> float:
    terms = terms_of(text).counts
    total = 0.0
    for word, weight in words:
        there = any(term in terms for term in (*word.terms, *word.otherwise))
        if there or (word.prefixes and any(term.startswith(word.prefixes) for term in terms)):
            total += weight
    return total
