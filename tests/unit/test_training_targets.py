"""What is wanted of a training group, with a teacher and without."""

import random
from typing import Any

import numpy as np
import pytest

from training.prepare import fewer, mine
from training.targets import Targets

VECTORS = np.eye(4, dtype=np.float16)


def group(source: str = "qed-dev") -> dict[str, Any]:
    return {"source": source, "positive": 0, "mined": [1, 2], "bm25": [5.0, 6.0, 4.0]}


def test_without_a_teacher_the_label_is_all() -> None:
    assert Targets().of(0, group(), [0, 1, 2, 3]) == [1.0, 0.0, 0.0, 0.0]


def test_a_language_that_the_teacher_does_not_read_keeps_its_label() -> None:
    targets = Targets(VECTORS, VECTORS[1:2])
    assert targets.of(0, group("jsquad-valid"), [0, 1, 2, 3]) == [1.0, 0.0, 0.0, 0.0]


def test_a_negative_that_is_like_the_query_is_wanted_more_than_the_others() -> None:
    shares = Targets(VECTORS, VECTORS[1:2]).of(0, group(), [0, 1, 2, 3])
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == max(shares)  # the teacher is sure, and the label's weight does not outdo it
    assert shares[0] > shares[2] > shares[3]  # then the label, then what BM25 found


def test_where_the_teacher_sees_no_difference_label_and_bm25_decide() -> None:
    shares = Targets(VECTORS, np.full((1, 4), 0.5, np.float16)).of(0, group(), [0, 1, 2, 3])
    assert shares[0] > shares[1] > shares[2] > shares[3]


def test_scores_of_bm25_stand_beside_the_documents_they_belong_to() -> None:
    pairs = [
        {"query": "red apples", "positive": "apples that are red and ripe"},
        {"query": "green pears", "positive": "pears of a green kind"},
        {"query": "red pears", "positive": "pears, some of them red"},
    ]
    docs, groups = mine("some", pairs, 10, random.Random(0))
    found = {group.query: group for group in groups}
    for pair in pairs:
        one = found[pair["query"]]
        assert docs[one.positive - 10] == pair["positive"]
        assert one.positive not in one.mined
        assert len(one.bm25) == 1 + len(one.mined)
        assert one.bm25[0] > 0
    assert found["red pears"].bm25[0] > max(found["red pears"].bm25[1:])


def test_fewer_documents_keep_all_their_queries() -> None:
    pairs = [{"query": f"{n} {word}", "positive": word} for word in "abcdef" for n in range(3)]
    kept = fewer(pairs, 2, random.Random(0))
    assert len(kept) == 6
    assert len({pair["positive"] for pair in kept}) == 2
    assert fewer(pairs, 100, random.Random(0)) == pairs
