"""Documents longer than the limit: judged in windows, the best of which counts and is named."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yesrank import InputError, Reranker
from yesrank.models.windows import Windows
from yesrank.types import Prompt

QUERY = "What is the capital of France?"
ANSWER = "Paris is the capital and largest city of France."
FILLER = [
    f"The {number}. chapter of the report is about the price of wheat and barley in autumn."
    for number in range(60)
]


@pytest.fixture(scope="module")
def reranker() -> Iterator[Reranker]:
    with Reranker(max_length=256) as found:
        yield found


def planted(share: float) -> str:
    at = round(share * len(FILLER))
    return " ".join([*FILLER[:at], ANSWER, *FILLER[at:]])


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
def test_the_answer_is_found_wherever_it_stands(reranker: Reranker, share: float) -> None:
    documents = [" ".join(FILLER), planted(share)]
    ranking = reranker.rank(QUERY, documents, long="best-passage")
    best = ranking[0]
    assert best.index == 1
    assert best.logit > ranking[1].logit + 1
    assert ANSWER in best.document[slice(*(best.passage or (0, 0)))]
    assert not best.truncated


def test_cut_an_answer_at_the_end_is_lost(reranker: Reranker) -> None:
    [hit] = reranker.rank(QUERY, [planted(1)])
    assert hit.truncated
    assert hit.passage is None
    [long] = reranker.rank(QUERY, [planted(1)], long="best-passage")
    assert long.logit > hit.logit + 1


def test_a_window_scores_as_the_document_that_it_is(reranker: Reranker) -> None:
    [hit] = reranker.rank(QUERY, [planted(0.4)], long="best-passage")
    [alone] = reranker.rank(QUERY, [hit.document[slice(*(hit.passage or (0, 0)))]])
    assert alone.logit == pytest.approx(hit.logit, abs=1e-4)
    assert not alone.truncated


def test_short_documents_are_judged_as_ever(reranker: Reranker) -> None:
    documents = [ANSWER, "", *FILLER[:3]]
    cut, long = (reranker.rank(QUERY, documents, long=how) for how in ("cut", "best-passage"))
    assert [hit.index for hit in cut] == [hit.index for hit in long]
    assert [hit.logit for hit in cut] == pytest.approx([hit.logit for hit in long], abs=1e-4)
    assert all(hit.passage is None for hit in long)


def test_no_more_windows_than_asked_for(reranker: Reranker) -> None:
    [one] = reranker.rank(QUERY, [planted(1)], long="best-passage", max_passages=1)
    assert one.truncated
    assert (one.passage or (1, 1))[0] == 0
    [many] = reranker.rank(QUERY, [planted(1)], long="best-passage", max_passages=1000)
    assert not many.truncated
    assert many.logit > one.logit + 1


def test_tokens_are_those_of_all_windows(reranker: Reranker) -> None:
    cut = reranker.rank(QUERY, [planted(1)])
    long = reranker.rank(QUERY, [planted(1)], long="best-passage")
    assert cut.tokens == 256
    assert long.tokens > 4 * cut.tokens


def test_progress_counts_documents(reranker: Reranker) -> None:
    told: list[int] = []
    reranker.rank(QUERY, [planted(1), "Bananas.", planted(0)], long="best-passage", progress=told.append)
    assert sum(told) == 3
    assert min(told) >= 0


def test_the_same_from_a_coroutine(reranker: Reranker) -> None:
    here = reranker.rank(QUERY, [planted(0.7)], long="best-passage")
    there = asyncio.run(reranker.arank(QUERY, [planted(0.7)], long="best-passage"))
    assert here.hits == there.hits


def test_the_place_is_one_of_the_text_that_was_given(reranker: Reranker) -> None:
    task = "Given a web search query, retrieve relevant passages that answer the query"
    query = f"<Instruct>: {task}\n<Query>: {QUERY}\n"
    document = f"<Document>: {planted(0.5)}"
    with pytest.warns(UserWarning, match="labels of a prompt"):
        [hit] = reranker.rank(query, [document], long="best-passage")
    assert ANSWER in document[slice(*(hit.passage or (0, 0)))]


@pytest.mark.parametrize(
    "wrong",
    [
        {"long": "head"},
        {"long": "best-passage", "max_passages": 0},
        {"long": "best-passage", "max_passages": 1.5},
    ],
)
def test_wrong_options_are_named(reranker: Reranker, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"long|max_passages"):
        reranker.rank(QUERY, [ANSWER], **wrong)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab é漢字。 \n😀"), min_size=0, max_size=3000))
def test_windows_overlap_and_leave_nothing_out(reranker: Reranker, text: str) -> None:
    parts = reranker.windows(QUERY, [text], max_length=160)
    spans = [span for span in parts.spans if span is not None]
    if not spans:
        assert len(parts.prompts) == 1
        return
    assert not text[: spans[0][0]].strip()
    assert not text[spans[-1][1] :].strip()
    for (start, end), (following, _) in pairwise(spans):
        assert start < following or end == following == start
        assert not text[end:following].strip()
    assert all(len(prompt) <= 160 for prompt in parts.prompts)


def test_the_best_row_of_each_document() -> None:
    prompts = [Prompt.of([1])] * 6
    parts = Windows(prompts, (0, 1, 1, 1, 2, 2), (None,) * 6, frozenset())
    assert parts.best(np.array([5, 1, 3, 3, -2, -9], np.float32)).tolist() == [0, 2, 4]
