"""Lines -> examples over one pool of documents; the split into training and held-out queries."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from training.finetune.pairs import Line
from yesrank.errors import InputError

_HELD_OUT = 0.02  # share of the queries that are held out unless something else is asked for,
_AT_LEAST, _AT_MOST = 20, 200  # so many where there are enough,
_NEVER_MORE = 0.2  # and never more than this share


@dataclass(frozen=True, slots=True)
class Example:
    """A query with one positive. positive, given, mined: positions in the pool. where: file and line."""

    query: str
    instruction: str
    positive: int
    given: tuple[int, ...]
    where: str
    mined: tuple[int, ...] = ()


@dataclass(slots=True)
class Pool:
    """Every document once, however its white space is written, and what answers each query."""

    documents: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _answers: dict[str, set[int]] = field(default_factory=dict)

    def add(self, text: str) -> int:
        """The document's position."""
        place = self._places.setdefault(" ".join(text.split()), len(self.documents))
        if place == len(self.documents):
            self.documents.append(text)
        return place

    def answer(self, query: str, place: int) -> None:
        """Notes that this document answers the query: it will never be a negative of it."""
        self._answers.setdefault(key(query), set()).add(place)

    def answers(self, query: str) -> set[int]:
        """Positions of the documents known to answer a query."""
        return self._answers.get(key(query), set())


def key(query: str) -> str:
    """Queries that differ in case or white space only are one."""
    return " ".join(query.casefold().split())


def build(pool: Pool, lines: Sequence[Line], instruction: str) -> tuple[list[Example], list[str]]:
    """One example for each positive of each line, and notes. instruction: of lines that have none.

    What is a positive of a query in any line is nowhere its negative.
    """
    for line in lines:
        for text in line.positives:
            pool.answer(line.query, pool.add(text))
    examples: dict[tuple[str, str, int], Example] = {}
    repeated = contradicting = 0
    for line in lines:
        answers = pool.answers(line.query)
        given = {pool.add(text): None for text in line.negatives}
        contradicting += sum(place in answers for place in given)
        kept = tuple(place for place in given if place not in answers)
        own = line.instruction if line.instruction is not None else instruction
        for text in line.positives:
            name = (line.query, own, pool.add(text))
            repeated += name in examples
            kept = tuple(dict.fromkeys((*examples[name].given, *kept))) if name in examples else kept
            examples[name] = Example(line.query, own, name[2], kept, line.where)
    notes = (
        (repeated, f"pairs: {repeated} repeat a query with the same positive; each counts once"),
        (
            contradicting,
            f"pairs: {contradicting} negatives are elsewhere positives of the same query; left out",
        ),
    )
    return [*examples.values()], [text for count, text in notes if count]


def split(examples: Sequence[Example], share: float | None, seed: int) -> tuple[list[Example], list[Example]]:
    """(training, held out), divided by query. share: of the queries; None for a sensible number.

    Raises InputError where nothing is left to train on.
    """
    queries = [*dict.fromkeys(key(example.query) for example in examples)]
    chosen = frozenset(random.Random(f"held out {seed}").sample(queries, _held_out(len(queries), share)))
    if len(chosen) == len(queries):
        raise InputError("dev", "all queries would be held out", "give more pairs, or --dev 0")
    training = [example for example in examples if key(example.query) not in chosen]
    return training, [example for example in examples if key(example.query) in chosen]


def without(examples: Sequence[Example], held_out: Sequence[Example]) -> list[Example]:
    """The examples whose query is not held out."""
    names = {key(example.query) for example in held_out}
    return [example for example in examples if key(example.query) not in names]


def counts(examples: Sequence[Example]) -> Mapping[str, int]:
    """Figures for the card."""
    return {
        "queries": len({key(example.query) for example in examples}),
        "pairs": len(examples),
        "given negatives": sum(len(example.given) for example in examples),
        "mined negatives": sum(len(example.mined) for example in examples),
    }


def _held_out(queries: int, share: float | None) -> int:
    if share is not None:
        return round(share * queries)
    return min(max(round(_HELD_OUT * queries), _AT_LEAST), _AT_MOST, int(_NEVER_MORE * queries))
