"""DashScope, Alibaba Cloud's API for this model family: `input` and `parameters` in, `output` and `usage` out.

Its compatible path (/compatible-api/v1/reranks) has Cohere's body with `instruct`, which that dialect reads.
"""

from collections.abc import Mapping
from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect, Fault, Kind
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "dashscope"
_OWN = ("query", "documents", "top_n", "return_documents", *options.THRESHOLDS)
_PARTS = ("input", "parameters")
_CODES: Mapping[Kind | int, str] = {
    401: "InvalidApiKey",
    404: "ModelNotFound",
    413: "BadRequest.TooLarge",
    429: "Throttling",
    503: "ServiceUnavailable",
    504: "RequestTimeOut",
}


def parse(body: Any) -> RerankRequest:
    """The members of input and parameters are read as if they stood in the body itself."""
    fields = _flat(read.as_object(body))
    query = texts.query(fields)
    documents = texts.documents(fields)
    returns = read.flag(fields, "return_documents") or False
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


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InputError for a name that stands in two places: nobody knows which one is meant."""
    flat = {name: value for name, value in body.items() if name not in _PARTS}
    for part in _PARTS:
        inside = body.get(part)
        if inside is None:
            continue
        if not isinstance(inside, Mapping):
            raise InputError(part, f"must be an object, not {read.kind(inside)}")
        if twice := sorted(flat.keys() & inside.keys()):
            raise InputError(twice[0], "is given twice", "give it once")
        flat.update(inside)
    return flat


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{request_id, code, message, output: {results: [{index, relevance_score, document?}]}, usage}."""
    rows = [_result(request, scored) for scored in ranking.best_first(request, result)]
    return {
        "request_id": result.request_id,
        "code": "",
        "message": "",
        "output": {"results": rows},
        "usage": {"total_tokens": result.tokens},
    }


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "relevance_score": ranking.number(request, scored)}
    if (documents := request.options.get("documents")) is not None:
        row["document"] = documents[scored.index]
    return row


def _error(error: dict[str, Any], word: str, _status: int, fault: Fault) -> dict[str, Any]:
    return {"error": error, "code": word, "request_id": fault.request_id or ""}


ERRORS = errorbodies.Errors(
    errorbodies.BAD_REQUEST, errorbodies.with_code(_CODES, ("InvalidParameter", "InternalError"), _error)
)
DASHSCOPE = Dialect(NAME, parse, render, ERRORS)
