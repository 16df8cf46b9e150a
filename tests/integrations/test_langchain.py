"""The compressor, and LangChain's own standard tests of retrievers. Runs where LangChain is installed."""

import asyncio
from typing import Any

import pytest

pytest.importorskip("langchain_tests")

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from integrations.examples import QUERY, TEXTS
from yesrank import Reranker
from yesrank.errors import InputError
from yesrank.integrations.langchain import YesrankRerank

RERANKER = Reranker()
DOCUMENTS = [Document(text, metadata={"page": at}, id=f"d{at}") for at, text in enumerate(TEXTS)]


class Found(BaseRetriever):
    """Every document, in the order given."""

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return DOCUMENTS


class Compressed(BaseRetriever):
    """What the standard tests ask of a retriever, answered by the compressor."""

    k: int = 3

    def _get_relevant_documents(
        self, query: str, *, run_manager: Any, k: int | None = None
    ) -> list[Document]:
        compressor = YesrankRerank(reranker=RERANKER, top_n=k or self.k)
        return [*compressor.compress_documents(DOCUMENTS, query)]


class TestStandard(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[Compressed]:
        return Compressed

    @property
    def retriever_query_example(self) -> str:
        return QUERY


def test_scores_metadata_ids_and_order() -> None:
    ranking = RERANKER.rank(QUERY, TEXTS)
    found = YesrankRerank(reranker=RERANKER, top_n=None).compress_documents(DOCUMENTS, QUERY)
    assert [document.metadata for document in found] == [
        {"page": hit.index, "relevance_score": hit.score} for hit in ranking
    ]
    assert [document.id for document in found] == [f"d{hit.index}" for hit in ranking]
    assert all("relevance_score" not in document.metadata for document in DOCUMENTS)


def test_options() -> None:
    default = YesrankRerank()  # the built-in model
    assert len(default.compress_documents(DOCUMENTS, QUERY)) == 3
    least = RERANKER.rank(QUERY, TEXTS)[1].score
    assert len(YesrankRerank(reranker=RERANKER, threshold=least).compress_documents(DOCUMENTS, QUERY)) == 2
    assert default.compress_documents([], QUERY) == []
    with pytest.raises(InputError, match="query"):
        default.compress_documents(DOCUMENTS, " ")
    with pytest.raises(ValidationError):
        YesrankRerank(top_k=3)


def test_in_a_retriever_also_async() -> None:
    retriever = ContextualCompressionRetriever(
        base_compressor=YesrankRerank(reranker=RERANKER, top_n=2), base_retriever=Found()
    )
    found = retriever.invoke(QUERY)
    assert [document.metadata["page"] for document in found] == [
        hit.index for hit in RERANKER.rank(QUERY, TEXTS, top_n=2)
    ]
    assert asyncio.run(retriever.ainvoke(QUERY)) == found
