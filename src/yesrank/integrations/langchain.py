"""LangChain: a document compressor, for ContextualCompressionRetriever and the like."""

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr

from yesrank.integrations.extras import missing
from yesrank.store.reranker import Reranker
from yesrank.types import Ranking

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
except ModuleNotFoundError as error:
    raise missing(error, "langchain_core", "langchain-core", "langchain") from error


class YesrankRerank(BaseDocumentCompressor):
    """Documents in descending order of their score, which stands in metadata["relevance_score"], 0 to 1.

    model: a folder or stored name, None for the built-in model; or reranker: one that is open already, with whatever
    options. top_n: how many are returned, None for all. threshold: the least score that is returned. instruction:
    instead of the reranker's own. The documents that are given stay as they are: copies come back.
    Raises as Reranker and Reranker.rank.
    """

    model: str | None = None
    reranker: Reranker | None = Field(default=None, exclude=True, repr=False)
    top_n: int | None = 3
    threshold: float | None = None
    instruction: str | None = None

    _opened: Reranker = PrivateAttr()

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())

    def model_post_init(self, context: Any, /) -> None:
        """Opens the model, where no reranker was given."""
        super().model_post_init(context)
        self._opened = Reranker(self.model) if self.reranker is None else self.reranker

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The best documents first. Raises InputError or EngineError."""
        return self._best(documents, self._opened.rank(query, self._texts(documents), **self._options()))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The same, off the event loop."""
        ranking = await self._opened.arank(query, self._texts(documents), **self._options())
        return self._best(documents, ranking)

    def _options(self) -> dict[str, Any]:
        return {"top_n": self.top_n, "threshold": self.threshold, "instruction": self.instruction}

    @staticmethod
    def _texts(documents: Sequence[Document]) -> list[str]:
        return [document.page_content for document in documents]

    @staticmethod
    def _best(documents: Sequence[Document], ranking: Ranking) -> list[Document]:
        return [_scored(documents[hit.index], hit.score) for hit in ranking]


def _scored(document: Document, score: float) -> Document:
    metadata = {**document.metadata, "relevance_score": score}
    return document.model_copy(update={"metadata": metadata})
