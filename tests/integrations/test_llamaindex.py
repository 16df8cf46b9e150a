"""The postprocessor as query engines call it, and as LlamaIndex stores it. Runs where LlamaIndex is installed."""

import asyncio

import pytest

pytest.importorskip("llama_index.core")

from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

from integrations.examples import QUERY, TEXTS
from yesrank import Reranker
from yesrank.integrations.llamaindex import YesrankRerank

RERANKER = Reranker()


def nodes() -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=text, id_=f"n{at}", metadata={"page": at}), score=at / 10)
        for at, text in enumerate(TEXTS)
    ]


def read(mode: MetadataMode) -> list[str]:
    return [each.node.get_content(metadata_mode=mode) for each in nodes()]


@pytest.mark.parametrize("mode", [MetadataMode.EMBED, MetadataMode.NONE])
def test_scores_and_nodes(mode: MetadataMode) -> None:
    given = nodes()
    found = YesrankRerank(reranker=RERANKER, top_n=3, metadata_mode=mode).postprocess_nodes(
        given, query_str=QUERY
    )
    ranking = RERANKER.rank(QUERY, read(mode), top_n=3)
    assert [(each.node.node_id, each.score) for each in found] == [
        (f"n{hit.index}", hit.score) for hit in ranking
    ]
    assert found[0].node is given[ranking[0].index].node
    assert [each.score for each in given] == [at / 10 for at in range(len(TEXTS))]


def test_options() -> None:
    default = YesrankRerank()  # the built-in model
    assert len(default.postprocess_nodes(nodes(), QueryBundle(QUERY))) == 2
    assert default.postprocess_nodes([], QueryBundle(QUERY)) == []
    least = RERANKER.rank(QUERY, read(MetadataMode.EMBED))[0].score
    strict = YesrankRerank(reranker=RERANKER, threshold=least, keep_retrieval_score=True)
    given = nodes()
    [best] = strict.postprocess_nodes(given, query_str=QUERY)
    assert best.node.metadata == {"page": 1, "retrieval_score": 0.1}
    assert given[1].node.metadata == {"page": 1}
    with pytest.raises(ValueError, match="query bundle"):
        default.postprocess_nodes(nodes())


def test_async_is_the_same() -> None:
    processor = YesrankRerank(reranker=RERANKER)
    found = processor.postprocess_nodes(nodes(), query_str=QUERY)
    assert asyncio.run(processor.apostprocess_nodes(nodes(), query_str=QUERY)) == found


def test_those_who_watch_are_told() -> None:
    names = []

    class Seen(BaseEventHandler):
        def handle(self, event, **_) -> None:
            names.append(event.class_name())

    debug = LlamaDebugHandler(print_trace_on_end=False)
    get_dispatcher().add_event_handler(Seen())
    processor = YesrankRerank(reranker=RERANKER, callback_manager=CallbackManager([debug]))
    processor.postprocess_nodes(nodes(), query_str=QUERY)
    assert [name for name in names if "ReRank" in name] == ["ReRankStartEvent", "ReRankEndEvent"]
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 1


def test_stored_and_opened_again() -> None:
    again = YesrankRerank.from_json(YesrankRerank(top_n=1, threshold=0.25, model="builtin").to_json())
    assert (again.top_n, again.threshold, again.model) == (1, 0.25, "builtin")
    assert len(again.postprocess_nodes(nodes(), query_str=QUERY)) == 1
