"""Pinecone: documents are objects, of which rank_fields are read; `data` with score and document out."""

from collections.abc import Mapping
from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect, Fault, Kind
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "pinecone"
HEADER = "x-pinecone-api-version"
"""Its clients send it; nothing in their bodies tells them from Cohere's."""
_OWN = ("query", "documents", "rank_fields", "return_documents", "top_n", "parameters", *options.THRESHOLDS)
_DOCUMENTS_A_UNIT = 100
_CODES: Mapping[Kind | int, str] = {
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}


def parse(body: Any) -> RerankRequest:
    """Documents come back unless return_documents is false. parameters: truncate, END or NONE."""
    fields = read.as_object(body)
    inside = fields.get("parameters") or {}
    if not isinstance(inside, Mapping):
        raise InputError("parameters", f"must be an object, not {read.kind(inside)}")
    fields = {**inside, **fields}
    query = texts.query(fields)
    documents = texts.documents(fields, keys=texts.rank_fields(fields))
    returns = read.flag(fields, "return_documents") is not False
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=documents,
        **options.shared(fields, _OWN),
        top_n=options.count(fields, "top_n"),
        options={
            "raw_scores": options.raw_scores(fields),
            "threshold": options.threshold(fields),
            "documents": texts.echo(fields["documents"]) if returns else None,
        },
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{model, data: [{index, score, document?}], usage: {rerank_units}}."""
    return {
        "model": result.model,
        "data": [_result(request, scored) for scored in ranking.best_first(request, result)],
        "usage": {"rerank_units": -(-len(request.documents) // _DOCUMENTS_A_UNIT)},
    }


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "score": ranking.number(request, scored)}
    if (documents := request.options.get("documents")) is not None:
        row["document"] = documents[scored.index]
    return row


def _error(error: dict[str, Any], word: str, status: int, _fault: Fault) -> dict[str, Any]:
    return {"error": {**error, "code": word}, "status": status}


ERRORS = errorbodies.Errors(
    errorbodies.BAD_REQUEST, errorbodies.with_code(_CODES, ("INVALID_ARGUMENT", "INTERNAL"), _error)
)
PINECONE = Dialect(NAME, parse, render, ERRORS)
