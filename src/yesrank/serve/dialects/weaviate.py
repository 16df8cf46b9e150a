"""Weaviate's reranker-transformers: documents and a `property` in, `scores` in the order sent out."""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult

NAME = "weaviate"
PROPERTY = "property"
"""Only its bodies have it: which property of its objects the texts were. It changes nothing here."""
_OWN = ("query", "documents", PROPERTY)


def parse(body: Any) -> RerankRequest:
    """All documents are scored and come back: Weaviate sorts them itself."""
    fields = read.as_object(body)
    query = texts.query(fields)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=texts.documents(fields),
        **options.shared(fields, _OWN),
        options={"raw_scores": options.raw_scores(fields)},
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{query, scores: [{document, score}]}: Weaviate tells the rows apart by their places."""
    return {
        "query": request.queries[0],
        "scores": [
            {"document": request.documents[scored.index], "score": ranking.number(request, scored)}
            for scored in result.results
        ],
    }


WEAVIATE = Dialect(NAME, parse, render, errorbodies.tei)
