"""LlamaIndex: a node postprocessor."""

from typing import Any

from yesrank.integrations.extras import missing
from yesrank.store.reranker import Reranker
from yesrank.types import Ranking

try:
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.callbacks import CBEventType, EventPayload
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
except ModuleNotFoundError as error:
    raise missing(error, "llama_index", "llama-index-core", "llamaindex") from error

_dispatcher = get_dispatcher(__name__)


class YesrankRerank(BaseNodePostprocessor):
    """Nodes in descending order of their score, 0 to 1, which takes the place of the retriever's.

    model: a folder or stored name, None for the built-in model; or reranker: one that is open already, with whatever
    options. top_n: how many are returned. threshold: the least score that is returned. instruction: instead of the
    reranker's own. keep_retrieval_score: put the retriever's into metadata["retrieval_score"]. metadata_mode: which
    metadata the model reads with a node's text: those for embedding, as other rerankers here, or MetadataMode.NONE.
    The nodes that are given stay as they are. Raises as Reranker and Reranker.rank, ValueError without a query.
    """

    model: str | None = Field(default=None, description="Folder or stored name; None for the built-in model.")
    top_n: int = Field(default=2, description="Number of nodes to return, best first.")
    threshold: float | None = Field(default=None, description="The least score that is returned, 0 to 1.")
    instruction: str | None = Field(default=None, description="What makes a node relevant.")
    keep_retrieval_score: bool = Field(
        default=False, description="Keep the retriever's score in the metadata."
    )
    metadata_mode: MetadataMode = Field(default=MetadataMode.EMBED, description="Metadata that are read.")
    _reranker: Reranker = PrivateAttr()

    def __init__(self, *, reranker: Reranker | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._reranker = Reranker(self.model) if reranker is None else reranker

    @classmethod
    def class_name(cls) -> str:
        """As LlamaIndex stores it."""
        return "YesrankRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._told(nodes, query) as event:
            best = self._best(nodes, self._reranker.rank(query, self._texts(nodes), **self._options()))
            self._tell(event, best)
        return best

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._told(nodes, query) as event:
            ranking = await self._reranker.arank(query, self._texts(nodes), **self._options())
            best = self._best(nodes, ranking)
            self._tell(event, best)
        return best

    def _options(self) -> dict[str, Any]:
        return {"top_n": self.top_n, "threshold": self.threshold, "instruction": self.instruction}

    def _texts(self, nodes: list[NodeWithScore]) -> list[str]:
        return [node.node.get_content(metadata_mode=self.metadata_mode) for node in nodes]

    def _best(self, nodes: list[NodeWithScore], ranking: Ranking) -> list[NodeWithScore]:
        return [self._scored(nodes[hit.index], hit.score) for hit in ranking]

    def _scored(self, given: NodeWithScore, score: float) -> NodeWithScore:
        if not self.keep_retrieval_score:
            return NodeWithScore(node=given.node, score=score)
        metadata = {**given.node.metadata, "retrieval_score": given.score}
        return NodeWithScore(node=given.node.model_copy(update={"metadata": metadata}), score=score)

    def _told(self, nodes: list[NodeWithScore], query: str) -> Any:
        """Tells those who watch, in LlamaIndex's two ways, that the work begins."""
        name = self.model or "builtin"
        _dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=name))
        payload = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        return self.callback_manager.event(CBEventType.RERANKING, payload=payload)

    @staticmethod
    def _tell(event: Any, best: list[NodeWithScore]) -> None:
        event.on_end(payload={EventPayload.NODES: best})
        _dispatcher.event(ReRankEndEvent(nodes=best))


def _query(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise ValueError("Missing query bundle in extra info.")  # as LlamaIndex's own say it
    return str(query_bundle.query_str)
