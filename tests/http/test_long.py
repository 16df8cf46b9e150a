"""Documents longer than the limit over HTTP: cut, or the best window, as the request says."""

import pytest
from serving import Server

from yesrank import Reranker

QUERY = "What is the capital of France?"
ANSWER = "Paris is the capital and largest city of France."
FILLER = " ".join(
    f"The {number}. chapter is about the price of wheat and barley in autumn." for number in range(60)
)
DOCUMENTS = [FILLER, f"{FILLER} {ANSWER}", ANSWER]
LIMIT = {"max_length": 256}


def ranked(server: Server, path: str = "/v1/rerank", **options: object) -> dict[int, dict[str, object]]:
    answer = server.rerank(
        {"query": QUERY, "documents": DOCUMENTS, "raw_scores": True, **LIMIT, **options}, path
    )
    assert answer.status_code == 200, answer.text
    return {hit["index"]: hit for hit in answer.json()["results"]}


@pytest.mark.parametrize("options", [{"long": "best-passage"}, {"max_chunks_per_doc": 20}])
def test_the_best_window_speaks_for_the_document(server: Server, options: dict[str, object]) -> None:
    found = ranked(server, **options)
    with Reranker(max_length=256) as reranker:
        expected = {hit.index: hit for hit in reranker.rank(QUERY, DOCUMENTS, long="best-passage")}
    for index, hit in found.items():
        assert hit["relevance_score"] == pytest.approx(expected[index].logit, abs=0.02)
        assert hit.get("passage") == (expected[index].passage and [*expected[index].passage])
        assert "truncated" not in hit
    start, end = found[1]["passage"]
    assert ANSWER in DOCUMENTS[1][start:end]


def test_without_it_the_end_is_cut(server: Server) -> None:
    found = ranked(server)
    assert found[1]["truncated"]
    assert "passage" not in found[1]
    assert ranked(server, max_chunks_per_doc=1)[1] == found[1]


def test_no_more_chunks_than_asked_for(server: Server) -> None:
    found = ranked(server, max_chunks_per_doc=2)
    assert found[1]["truncated"], "a part of it is in no window"
    assert found[1]["relevance_score"] < ranked(server, max_chunks_per_doc=50)[1]["relevance_score"]


def test_usage_counts_all_windows(server: Server) -> None:
    def tokens(**options: object) -> int:
        body = {"query": QUERY, "documents": DOCUMENTS, **LIMIT, **options}
        return int(server.rerank(body).json()["usage"]["total_tokens"])

    assert tokens(long="best-passage") > 3 * tokens()


def test_a_cap_on_a_document_is_one_on_a_window(server: Server) -> None:
    few = ranked(server, long="best-passage", max_tokens_per_doc=40)
    start, end = few[1]["passage"]
    assert end - start < 300
    assert ANSWER.rsplit(maxsplit=1)[-1] in DOCUMENTS[1][start:end]


@pytest.mark.parametrize(
    "wrong", [{"long": "head"}, {"max_chunks_per_doc": -1}, {"max_chunks_per_doc": "many"}]
)
def test_wrong_values_are_named(server: Server, wrong: dict[str, object]) -> None:
    answer = server.rerank({"query": QUERY, "documents": DOCUMENTS, **wrong})
    assert answer.status_code == 400
    assert answer.json()["field"] in ("long", "max_chunks_per_doc")


def test_pairs_have_windows_too(server: Server) -> None:
    body = {
        "text_1": [QUERY, QUERY],
        "text_2": DOCUMENTS[:2],
        "use_activation": False,
        **LIMIT,
        "long": "best-passage",
    }
    data = server.rerank(body, "/score").json()["data"]
    assert data[1]["score"] > data[0]["score"] + 1
