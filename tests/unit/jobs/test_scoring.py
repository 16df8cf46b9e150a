"""A partition -> rows: what cannot be scored fails alone, and a broken engine is no fault of a pair."""

import numpy as np
import pytest
from job_stand_ins import HashJudge

from yesrank.errors import EngineError
from yesrank.jobs.pairs import Failure, Pair, Partition, Query
from yesrank.jobs.scoring import ENGINE, NOT_FINITE, QUERY, score


def partition(*rows: tuple[str, str], failed: int | None = None) -> Partition:
    why = Failure("no-document", "there is none")
    pairs = [
        Pair(at, at, 0, Query(None, q), None, d, why if at == failed else None)
        for at, (q, d) in enumerate(rows)
    ]
    return Partition(0, tuple(pairs), "")


def test_faults_fail_alone() -> None:
    rows = [("q", "one"), ("q", "NAN"), ("TOO-LONG", "two"), ("q", "BROKEN"), ("q", "x" * 60), ("q", "gone")]
    told: list[int] = []
    found = score(HashJudge(), partition(*rows, failed=5), told.append)
    assert {at: why.kind for at, why in found.failures.items()} == {
        1: NOT_FINITE,
        2: QUERY,
        3: ENGINE,
        5: "no-document",
    }
    assert [*np.isnan(found.logits)] == [False, True, True, True, False, True]
    assert found.truncated == (False, False, False, False, True, False)
    assert sum(told) == len(rows)


def test_the_numbers_do_not_depend_on_the_company() -> None:
    rows = [("q", "one"), ("q", "BROKEN"), ("p", "two")]
    together = score(HashJudge(), partition(*rows))
    alone = [score(HashJudge(), partition(row)).logits[0] for row in rows]
    np.testing.assert_array_equal(together.logits, alone)


def test_a_dead_engine_ends_the_work() -> None:
    with pytest.raises(EngineError, match="fails for any pair") as caught:
        score(HashJudge(dead=True), partition(("q", "one"), ("q", "two")))
    assert "run the same command again" in str(caught.value.hint)
