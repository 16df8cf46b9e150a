"""Haystack: a ranker component."""

from dataclasses import replace
from typing import Any

from yesrank.errors import InputError
from yesrank.integrations.extras import missing
from yesrank.store.reranker import Reranker
from yesrank.types import Ranking

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ModuleNotFoundError as error:
    raise missing(error, "haystack", "haystack-ai", "haystack") from error


@component
class YesrankRanker:
    """Documents in descending order of their score, 0 to 1, which stands in Document.score.

    model: a folder or stored name, None for the built-in model; it is opened by warm_up, or by the first run. top_k:
    how many are returned. score_threshold: the least score that is returned. instruction: what makes a document
    relevant, instead of the model's own. meta_fields_to_embed: metadata that go before the text, embedding_separator
    between them. options: as for Reranker (device, precision, engine, variant, template, max_length).
    Of documents with the same id the one with the highest score is ranked. The documents that are given stay as they
    are: copies come back. Raises as Reranker and Reranker.rank.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        top_k: int = 10,
        score_threshold: float | None = None,
        instruction: str | None = None,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        options: dict[str, Any] | None = None,
    ) -> None:
        if top_k <= 0:
            raise InputError("top_k", f"must be 1 or more, not {top_k}")
        self.model, self.instruction, self.options = model, instruction, options
        self.top_k, self.score_threshold = top_k, score_threshold
        self.meta_fields_to_embed, self.embedding_separator = meta_fields_to_embed or [], embedding_separator
        self._reranker: Reranker | None = None

    def warm_up(self) -> None:
        """Opens the model. Raises ModelError, InputError or EngineError."""
        self._opened()

    def to_dict(self) -> dict[str, Any]:
        """What a pipeline is stored with."""
        found: dict[str, Any] = default_to_dict(
            self,
            model=self.model,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            instruction=self.instruction,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            options=self.options,
        )
        return found

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "YesrankRanker":
        """The component that to_dict has described."""
        found: YesrankRanker = default_from_dict(cls, data)
        return found

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """{"documents": the best ones first}. top_k and score_threshold go before the component's own."""
        given, options = _unique(documents), self._asked(top_k, score_threshold)
        return _best(given, self._opened().rank(query, self._texts(given), **options))

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """The same, off the event loop; call warm_up before, for opening the model takes seconds."""
        given, options = _unique(documents), self._asked(top_k, score_threshold)
        return _best(given, await self._opened().arank(query, self._texts(given), **options))

    def _opened(self) -> Reranker:
        if self._reranker is None:
            self._reranker = Reranker(self.model, **(self.options or {}))
        return self._reranker

    def _asked(self, top_k: int | None, score_threshold: float | None) -> dict[str, Any]:
        if top_k is not None and top_k <= 0:
            raise InputError("top_k", f"must be 1 or more, not {top_k}")
        return {
            "top_n": self.top_k if top_k is None else top_k,
            "threshold": self.score_threshold if score_threshold is None else score_threshold,
            "instruction": self.instruction,
        }

    def _texts(self, documents: list[Document]) -> list[str]:
        for at, document in enumerate(documents):
            if document.content is None:
                raise InputError(f"documents[{at}]", "has no text", "leave documents without content out")
        return [
            self.embedding_separator.join(
                [
                    *(str(each.meta[name]) for name in self.meta_fields_to_embed if each.meta.get(name)),
                    each.content,
                ]
            )
            for each in documents
        ]


def _unique(documents: list[Document]) -> list[Document]:
    """The best document of each id, where the id came first: retrievers that are joined find some twice."""
    best: dict[str, Document] = {}
    for document in documents:
        other = best.setdefault(document.id, document)
        if (document.score or 0.0) > (other.score or 0.0):
            best[document.id] = document
    return [*best.values()]


def _best(documents: list[Document], ranking: Ranking) -> dict[str, list[Document]]:
    return {"documents": [replace(documents[hit.index], score=hit.score) for hit in ranking]}
