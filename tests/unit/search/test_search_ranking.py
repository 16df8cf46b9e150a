"""What is shown: the model's order, the fused one, and the best sentence."""

from pathlib import Path

import numpy as np
import pytest

from yesrank import Reranker
from yesrank.errors import InputError
from yesrank.fusion import reciprocal_rank, standardised
from yesrank.search import Asked, Index, index, search
from yesrank.types import FloatArray


@pytest.fixture
def opened(notes: Path) -> Index:
    index([notes], "n")
    return Index("n")


def by_length(texts: list[str]) -> FloatArray:
    return np.array([len(text) / 10 for text in texts], np.float32)


def test_the_model_orders_and_marks(opened: Index) -> None:
    answer = search(opened, Asked("France Venus Europe"), by_length)
    texts = [found.passage.shown for found in answer.found]
    assert texts == sorted(texts, key=len, reverse=True)
    assert answer.candidates == len(texts) == 3
    logits = [found.logit for found in answer.found]
    assert logits == pytest.approx([len(text) / 10 for text in texts])
    for found in answer.found:
        assert found.score == pytest.approx(1 / (1 + np.exp(-(found.logit or 0))))
        assert found.sentence in found.passage.text
    paris = next(found for found in answer.found if "Seine" in found.passage.text)
    assert paris.sentence == "Paris is the capital of France.", "the longer of two"


def test_without_a_model_the_words_decide(opened: Index) -> None:
    answer = search(opened, Asked("hottest brightest planets Venus", rerank=False))
    assert [found.score for found in answer.found] == [None] * len(answer.found)
    assert answer.found[0].sentence == "Venus is hot, and the brightest of all planets."


def test_fused_the_first_stage_counts(opened: Index) -> None:
    against = search(opened, Asked("capital of France"), lambda texts: -by_length(texts))
    fused = search(opened, Asked("capital of France", fused=True), lambda texts: -by_length(texts) / 1000)
    assert "capital" not in against.found[0].passage.text
    assert fused.fused
    keys = 0.4 * standardised([found.first for found in fused.found]) + 0.6 * standardised(
        [found.logit or 0 for found in fused.found]
    )
    assert [*keys] == sorted(keys, reverse=True)


def test_the_built_in_model_finds_the_sentence(opened: Index) -> None:
    with Reranker() as reranker:
        question = "What is the capital of France?"
        answer = search(
            opened,
            Asked(question, fused=True),
            lambda texts: reranker.score([(question, text) for text in texts]).logits,
        )
    assert answer.found[0].sentence == "Paris is the capital of France."


def test_top_and_candidates(opened: Index) -> None:
    judged: list[int] = []

    def judge(texts: list[str]) -> FloatArray:
        judged.append(len(texts))
        return by_length(texts)

    answer = search(opened, Asked("France Venus Europe", top=1, candidates=2), judge)
    assert (len(answer.found), judged[0]) == (1, 2)
    for wrong in ({"query": " "}, {"top": 0}, {"candidates": 1001}):
        with pytest.raises(InputError):
            Asked(**{"query": "x", **wrong})


def test_reciprocal_ranks_add_up() -> None:
    assert [*reciprocal_rank([["a", "b", "c"], ["b", "d"]])] == ["b", "a", "d", "c"]
    assert reciprocal_rank([["a"]]) == {"a": 1 / 61}
