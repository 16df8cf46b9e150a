"""Voyage: top_k and truncation in, `data` out; a returned document is a string."""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect, Kind
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "voyage"
_OWN = ("query", "documents", "top_k", "top_n", "return_documents", *options.THRESHOLDS)


def parse(body: Any) -> RerankRequest:
    """top_n is read where top_k is absent, for callers who chose this dialect by name."""
    fields = read.as_object(body)
    query = texts.query(fields)
    documents = texts.documents(fields)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=documents,
        **options.shared(fields, _OWN),
        top_n=options.count(fields, "top_k", "top_n"),
        options={
            "raw_scores": options.raw_scores(fields),
            "threshold": options.threshold(fields),
            "return_documents": read.flag(fields, "return_documents") or False,
        },
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{object, data: [{index, relevance_score, document?}], model, usage}."""
    return {
        "object": "list",
        "data": [_result(request, scored) for scored in ranking.best_first(request, result)],
        "model": result.model,
        "usage": {"total_tokens": result.tokens},
    }


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "relevance_score": ranking.number(request, scored)}
    if request.options.get("return_documents"):
        row["document"] = request.documents[scored.index]
    return row


_STATUSES = {**errorbodies.BAD_REQUEST, Kind.MODEL: 400, Kind.LARGE: 400}
VOYAGE = Dialect(NAME, parse, render, errorbodies.Errors(_STATUSES))
