"""Figures recomputed by hand, certainty, fusion, comparison of two runs, bounds."""

from math import log2

import numpy as np
import pytest

from yesrank.errors import InputError
from yesrank.evaluate import statistics
from yesrank.evaluate.bounds import parse_bound
from yesrank.evaluate.fusion import fuse
from yesrank.evaluate.gate import kendall
from yesrank.evaluate.measures import measure

QRELS = {"q1": {"a": 2, "b": 1, "z": 1}, "q2": {"a": 1}, "q3": {"a": 0}, "q4": {"a": 1}}
RUN = {"q1": {"x": 3.0, "a": 2.0, "b": 1.0}, "q2": {"a": 1.0, "b": 1.0}, "q3": {"a": 1.0}}


def test_figures_by_hand() -> None:
    found = measure(QRELS, RUN)
    ideal = 2 + 1 / log2(3) + 1 / log2(4)
    assert found["nDCG@10"] == pytest.approx([(2 / log2(3) + 1 / log2(4)) / ideal, 1 / log2(3), 0, 0])
    assert found["MRR@10"] == pytest.approx([1 / 2, 1 / 2, 0, 0])
    assert found["AP"] == pytest.approx([(1 / 2 + 2 / 3) / 3, 1 / 2, 0, 0])
    assert found["R@100"] == pytest.approx([2 / 3, 1, 0, 0])
    assert found["Judged@10"] == pytest.approx([2 / 3, 1 / 2, 1, 0])


def test_all_measures_break_ties_alike() -> None:
    """The later id goes first, also for MRR, whose program in ir-measures would do the opposite."""
    found = measure({"q": {"a": 1}}, {"q": {"a": 1.0, "b": 1.0, "c": 1.0}})
    assert found["MRR@10"][0] == pytest.approx(1 / 3)
    assert found["nDCG@10"][0] == pytest.approx(1 / log2(4))


def test_figures_of_nothing() -> None:
    assert measure(QRELS, {})["nDCG@10"].tolist() == [0, 0, 0, 0]


def test_negative_grades() -> None:
    """trec_eval reads past its arrays where all grades of a query are negative: another program, in this process."""
    qrels = {"q1": {"a": -2, "b": 0, "c": 2}, "q2": {"a": -2}, "q3": {"a": -1, "b": 1}}
    run = {query: {name: float(-at) for at, name in enumerate("abcdefgh")} for query in qrels}
    for _ in range(50):
        found = measure(qrels, run)
    assert found["nDCG@10"] == pytest.approx([1 / log2(4), 0, 1 / log2(3)])
    assert found["AP"] == pytest.approx([1 / 3, 0, 1 / 2])
    assert found["Judged@10"] == pytest.approx([3 / 8, 1 / 8, 2 / 8])


def test_interval() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, 400)
    found = statistics.mean(values)
    assert found.value == pytest.approx(values.mean())
    # the normal approximation: 1.96 standard errors
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)
    assert found == statistics.mean(values)


def test_interval_of_one_query() -> None:
    assert statistics.mean(np.array([0.25])) == statistics.Mean(0.25, 0.25, 0.25)


def test_randomisation() -> None:
    assert statistics.randomisation(np.zeros(50)) == 1
    assert statistics.randomisation(np.full(50, 0.1)) == pytest.approx(1e-4, rel=0.01)
    # three equal gains: 2 of the 8 signs give a sum as large
    assert statistics.randomisation(np.full(3, 0.1)) == pytest.approx(0.25, abs=0.02)


def test_fusion_by_hand() -> None:
    fused = fuse({"q": {"a": 1.0, "b": 3.0}}, {"q": {"a": 10.0, "b": 8.0, "c": 1.0}}, 0.25)
    assert fused["q"] == pytest.approx({"a": 0.25 - 0.75, "b": 0.75 - 0.25})
    assert fuse({"q": {"a": 1.0}, "r": {}}, {"q": {"a": 2.0}, "r": {}}, 0.5) == {"q": {"a": 0.0}, "r": {}}


@pytest.mark.parametrize(
    ("x", "y", "tau"),
    [
        ([1, 2, 3], [1, 2, 3], 1),
        ([1, 2, 3], [3, 2, 1], -1),
        ([1, 2, 3, 4], [1, 2, 4, 3], 4 / 6),
        ([1, 1, 2], [1, 2, 3], 2 / (2 * 3) ** 0.5),
        ([1, 1], [2, 2], 1),
        ([1, 1], [2, 3], 0),
    ],
)
def test_kendall(x: list[float], y: list[float], tau: float) -> None:
    assert kendall(np.array(x, float), np.array(y, float)) == pytest.approx(tau)


@pytest.mark.parametrize("text", ["nDCG@10", "nDCG@10=high", "nothing=1", "=1", "tau=0.9"])
def test_bounds_that_mean_nothing(text: str) -> None:
    with pytest.raises(InputError, match="fail-under"):
        parse_bound(text)


def test_bounds_in_any_case() -> None:
    assert parse_bound("ndcg@10 = 0.5").name == "nDCG@10"
    assert parse_bound("tau=0.9", compared=True).value == 0.9
