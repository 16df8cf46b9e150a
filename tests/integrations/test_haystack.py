"""The ranker alone, in a pipeline, and stored. Runs where Haystack is installed."""

import asyncio

import pytest

pytest.importorskip("haystack")

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner

from integrations.examples import QUERY, TEXTS
from yesrank import Reranker
from yesrank.errors import InputError
from yesrank.integrations.haystack import YesrankRanker

MODULE = "yesrank.integrations.haystack"  # Haystack reads classes of modules only that its caller trusts
DOCUMENTS = [
    Document(id=f"d{at}", content=text, meta={"page": at, "title": f"t{at}"}, score=at / 10)
    for at, text in enumerate(TEXTS)
]


@pytest.fixture(scope="module")
def ranker() -> YesrankRanker:
    made = YesrankRanker(top_k=3)
    made.warm_up()
    return made


def test_scores_metadata_and_order(ranker: YesrankRanker) -> None:
    found = ranker.run(query=QUERY, documents=DOCUMENTS)["documents"]
    ranking = Reranker().rank(QUERY, TEXTS, top_n=3)
    assert [(each.id, each.score, each.meta["page"]) for each in found] == [
        (f"d{hit.index}", hit.score, hit.index) for hit in ranking
    ]
    assert [each.score for each in DOCUMENTS] == [at / 10 for at in range(len(TEXTS))]
    assert asyncio.run(ranker.run_async(query=QUERY, documents=DOCUMENTS)) == {"documents": found}


def test_options(ranker: YesrankRanker) -> None:
    assert ranker.run(query=QUERY, documents=[]) == {"documents": []}
    assert len(ranker.run(query=QUERY, documents=DOCUMENTS, top_k=1)["documents"]) == 1
    whole = ranker.run(query=QUERY, documents=DOCUMENTS)["documents"]
    strict = ranker.run(query=QUERY, documents=DOCUMENTS, score_threshold=whole[0].score)
    assert strict["documents"] == whole[:1]
    joined = YesrankRanker(meta_fields_to_embed=["title", "absent"], embedding_separator=" ")
    scores = {each.id: each.score for each in joined.run(query=QUERY, documents=DOCUMENTS)["documents"]}
    texts = [f"t{at} {text}" for at, text in enumerate(TEXTS)]
    assert scores == {f"d{hit.index}": hit.score for hit in Reranker().rank(QUERY, texts)}
    for top_k in (0, -1):
        with pytest.raises(InputError, match="top_k"):
            YesrankRanker(top_k=top_k)
        with pytest.raises(InputError, match="top_k"):
            ranker.run(query=QUERY, documents=DOCUMENTS, top_k=top_k)
    with pytest.raises(InputError, match="query"):
        ranker.run(query=" ", documents=DOCUMENTS)
    with pytest.raises(InputError, match=r"documents\[0\]"):
        ranker.run(query=QUERY, documents=[Document(content=None)])


def test_of_one_id_the_best_is_ranked(ranker: YesrankRanker) -> None:
    twice = [Document(id="same", content="a", score=0.1), Document(id="same", content="b", score=0.2)]
    assert [each.content for each in ranker.run(query=QUERY, documents=twice)["documents"]] == ["b"]


def test_a_pipeline_stored_and_read_again() -> None:
    pipeline = Pipeline()
    pipeline.add_component("join", DocumentJoiner())
    pipeline.add_component(
        "rank", YesrankRanker("builtin", top_k=2, score_threshold=0.0, options={"precision": "f32"})
    )
    pipeline.connect("join.documents", "rank.documents")
    stored = pipeline.dumps()
    data = {"join": {"documents": DOCUMENTS}, "rank": {"query": QUERY}}
    found = Pipeline.loads(stored, allowed_modules=[MODULE]).run(data)
    assert [each.id for each in found["rank"]["documents"]] == ["d1", "d2"]
    component = Pipeline.loads(stored, allowed_modules=[MODULE]).get_component("rank")
    assert component.to_dict() == pipeline.get_component("rank").to_dict()
    assert component.options == {"precision": "f32"}
    assert asyncio.run(Pipeline.loads(stored, allowed_modules=[MODULE]).run_async(data)) == found
