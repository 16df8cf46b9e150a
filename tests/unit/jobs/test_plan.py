"""Partitions: fixed by content, balanced, a query's pairs together."""

import random
from itertools import groupby

import pytest

from yesrank.jobs.pairs import Pair, Query
from yesrank.jobs.plan import NO_DOCUMENT, NO_QUERY, TEMPLATE, Plan, plan
from yesrank.prompt import TEMPLATES

CARD = TEMPLATES["card"]


def pairs(*rows: tuple[str | None, str | None]) -> list[Pair]:
    return [Pair(at, at, 0, Query(None, query), None, document) for at, (query, document) in enumerate(rows)]


def planned(given: list[Pair], tokens: int = 1000, **options: bool) -> Plan:
    return plan(given, template=CARD, longest=8192, tokens=tokens, **options)


def many(seed: int = 1) -> list[Pair]:
    chance = random.Random(seed)
    return pairs(*[(f"question {chance.randrange(40)}", "word " * chance.randrange(200)) for _ in range(800)])


def test_every_pair_is_in_one_partition_and_its_query_stands_together() -> None:
    found = planned(many())
    ordered = [pair for part in found.partitions for pair in part.pairs]
    assert sorted(pair.row for pair in ordered) == [*range(800)]
    runs = [query for query, _ in groupby(ordered, lambda pair: pair.query)]
    assert len(runs) == len({*runs}) == 40
    assert [part.index for part in found.partitions] == [*range(len(found.partitions))]


def test_partitions_are_balanced() -> None:
    sizes = [
        sum(len(pair.document or "") for pair in part.pairs) for part in planned(many(), 2000).partitions
    ]
    assert len(sizes) > 10
    assert max(sizes) < 1.3 * min(sizes)


def test_the_plan_depends_on_content_alone_and_on_all_of_it() -> None:
    assert planned(many()) == planned(many())
    base = pairs(("q", "a"), ("q", "b"))
    others = [pairs(("q", "a"), ("q", "c")), pairs(("p", "a"), ("p", "b")), pairs(("q", "b"), ("q", "a"))]
    others.append([Pair(0, 0, 0, Query("1", "q"), None, "a"), Pair(1, 1, 0, Query("1", "q"), None, "b")])
    others.append([Pair(0, 0, 0, Query(None, "q"), "1", "a"), Pair(1, 1, 0, Query(None, "q"), None, "b")])
    others.append(
        [Pair(0, 0, 0, Query(None, "q", "i"), None, "a"), Pair(1, 1, 0, Query(None, "q", "i"), None, "b")]
    )
    digests = {planned(each).digest for each in [base, *others]}
    assert len(digests) == len(others) + 1


@pytest.mark.parametrize(("query", "kind"), [(None, NO_QUERY), ("", NO_QUERY), (" \u200b", NO_QUERY)])
def test_a_query_that_asks_nothing_fails_alone(query: str | None, kind: str) -> None:
    [part] = planned(pairs((query, "a"), ("q", "b"))).partitions
    assert [pair.failure and pair.failure.kind for pair in part.pairs] == [kind, None]


def test_a_document_that_is_not_there_fails_and_an_empty_one_does_not() -> None:
    [part] = planned(pairs(("q", None), ("q", ""))).partitions
    assert [pair.failure and pair.failure.kind for pair in part.pairs] == [NO_DOCUMENT, None]


def test_texts_in_the_template_are_taken_out_of_it_with_a_note() -> None:
    asked = f"{CARD.prefix}<Instruct>: find\n<Query>: q\n"
    told = f"<Document>: d{CARD.suffix}"
    found = planned(pairs((asked, told), ("plain", told)))
    rows = {pair.row: pair for part in found.partitions for pair in part.pairs}
    assert (rows[0].query, rows[0].document) == (Query(None, "q", "find"), "d")
    assert rows[1].document == told
    assert [note.rpartition(" (")[2] for note in found.notes] == ["1 queries)", "1 queries)"]
    kept = planned(pairs((asked, told)), as_text=True)
    assert kept.partitions[0].pairs[0].query.text == asked


def test_a_document_outside_the_template_fails_alone() -> None:
    asked = f"{CARD.prefix}<Instruct>: find\n<Query>: q\n"
    [part] = planned(pairs((asked, "plain"), (asked, f"<Document>: d{CARD.suffix}"))).partitions
    kinds = {pair.row: pair.failure and pair.failure.kind for pair in part.pairs}
    assert kinds == {0: TEMPLATE, 1: None}


def test_a_lone_surrogate_is_planned_as_any_text() -> None:
    assert planned(pairs(("q\ud800", "a\udfff"))).pairs == 1
