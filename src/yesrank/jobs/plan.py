"""Pairs -> partitions, which depend on nothing but their content: a job that goes on finds the same ones.

All pairs of a query stand together, so that its prefix is computed once, and partitions are cut so that each holds
about as many tokens. Those are estimated: four bytes each, which is near enough to balance work.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from yesrank.errors import InputError
from yesrank.jobs.pairs import Failure, Pair, Partition, Query
from yesrank.prompt import Template, is_blank
from yesrank.rendered import plain

TOKENS = 32_768
"""Of a partition: what a killed job loses at the most, and a thousandth of the time that writing it takes."""
_BYTES_A_TOKEN = 4
_FRAME = 80
"""Tokens of the template around a query, about."""
NO_QUERY, NO_DOCUMENT, TEMPLATE = "no-query", "no-document", "template"


@dataclass(frozen=True, slots=True)
class Plan:
    """partitions: in their order; digest: SHA-256 of all of them. notes: what is not as it came, with counts."""

    partitions: tuple[Partition, ...]
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """How many there are."""
        return sum(len(partition.pairs) for partition in self.partitions)


def plan(
    pairs: Sequence[Pair],
    *,
    template: Template,
    longest: int,
    tokens: int = TOKENS,
    as_text: bool = False,
) -> Plan:
    """template: the model's. longest: tokens of a whole prompt. tokens: about so many a partition.

    Queries and documents that are in the template already are taken out of it, as Reranker does it, with the documents
    of a query looked at together; as_text: none is. What cannot be judged is marked as failed.
    """
    notes: Counter[str] = Counter()
    ordered = [
        pair for group in _by_query(pairs) for pair in _as_judged(group, template, notes, as_text=as_text)
    ]
    parts = [*_cut(ordered, tokens, longest)]
    partitions = tuple(Partition(at, part, _digest(part)) for at, part in enumerate(parts))
    whole = hashlib.sha256("".join(each.digest for each in partitions).encode()).hexdigest()
    return Plan(partitions, whole, tuple(f"{note} ({number:,} queries)" for note, number in notes.items()))


def _by_query(pairs: Sequence[Pair]) -> list[list[Pair]]:
    groups: dict[Query, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.query, []).append(pair)
    return [*groups.values()]


def _as_judged(
    group: list[Pair], template: Template, notes: Counter[str], *, as_text: bool
) -> Iterator[Pair]:
    """A query's pairs as the model is shown them."""
    query = group[0].query
    if query.text is None or is_blank(query.text):
        why = Failure(NO_QUERY, "there is no query" if query.text is None else "the query is blank")
        yield from (replace(pair, failure=why) for pair in group)
        return
    for pair in group:
        if pair.document is None:
            yield replace(pair, failure=Failure(NO_DOCUMENT, "there is no document"))
    left = [pair for pair in group if pair.document is not None]
    if as_text:
        yield from left
        return
    try:
        yield from _plain(left, template, notes)
    except InputError:  # of the query, or of one document: each pair fails or not by itself
        for pair in left:
            yield from _plain_or_failed(pair, template)


def _plain(pairs: list[Pair], template: Template, notes: Counter[str]) -> list[Pair]:
    query = pairs[0].query if pairs else Query(None, "")
    documents = [pair.document or "" for pair in pairs]
    found = plain([query.text or ""], documents, instruction=query.instruction, template=template)
    notes.update(found.notes)
    asked = Query(query.id, found.queries[0], found.instructions[0] or query.instruction)
    asked = query if asked == query else asked
    return [
        replace(pair, query=asked, document=document)
        for pair, document in zip(pairs, found.documents, strict=True)
    ]


def _plain_or_failed(pair: Pair, template: Template) -> list[Pair]:
    try:
        return _plain([pair], template, Counter())
    except InputError as error:
        return [replace(pair, failure=Failure(TEMPLATE, f"{error.message}; {error.hint}"))]


def _cut(pairs: Sequence[Pair], tokens: int, longest: int) -> Iterator[tuple[Pair, ...]]:
    """Partitions of about the same cost each, whose number is that which `tokens` asks for."""
    costs, before = [], None
    for pair in pairs:
        costs.append(_cost(pair, longest, asked_anew=pair.query is not before))
        before = pair.query
    total = sum(costs)
    number = max(1, math.ceil(total / tokens))
    places, at = [], 0
    for cost in costs:
        places.append(min(at * number // max(total, 1), number - 1))
        at += cost
    for _, group in groupby(zip(places, pairs, strict=True), lambda each: each[0]):
        yield tuple(pair for _, pair in group)


def _cost(pair: Pair, longest: int, *, asked_anew: bool) -> int:
    """About so many tokens; those of the query only where its prefix is computed."""
    if pair.failure is not None:
        return 0
    own = min(_tokens(pair.document), longest) + 1
    return own + (_FRAME + _tokens(pair.query.text) + _tokens(pair.query.instruction) if asked_anew else 0)


def _tokens(text: str | None) -> int:
    return len((text or "").encode("utf-8", "surrogatepass")) // _BYTES_A_TOKEN


def _digest(pairs: Sequence[Pair]) -> str:
    found = hashlib.sha256()
    for pair in pairs:
        query, why = pair.query, pair.failure
        row = [pair.row, pair.record, pair.candidate, query.id, query.text, query.instruction]
        row += [pair.document_id, pair.document, None if why is None else why.kind]
        found.update(json.dumps(row).encode() + b"\n")  # ASCII: lone surrogates are escaped
    return found.hexdigest()
