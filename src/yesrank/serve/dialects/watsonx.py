"""watsonx.ai's text rerank: `model_id`, `inputs` and `parameters` in, `results` with `score` out."""

from collections.abc import Mapping
from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies, names, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "watsonx"
INPUTS = "inputs"
_OWN = ("query", INPUTS, "parameters", "model_id", "project_id", "space_id")
_OF_PARAMETERS = ("return_options", "truncate_input_tokens")
_RETURNED = ("top_n", INPUTS, "query")


def parse(body: Any) -> RerankRequest:
    """parameters: truncate_input_tokens (a document's), and return_options: top_n, inputs (whether they come back)."""
    fields = read.as_object(body)
    parameters = _inside(fields, "parameters")
    returned = _inside(parameters, "return_options")
    names.check(parameters, _OF_PARAMETERS, scores=False)
    names.check(returned, _RETURNED, scores=False)
    query = texts.query(fields)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=texts.documents(fields, INPUTS),
        **{
            **options.shared(fields, _OWN),
            "model": read.string(fields, "model_id"),
            "max_tokens_per_doc": read.at_most(parameters, "truncate_input_tokens"),
        },
        top_n=options.count(returned, "top_n"),
        options={
            "raw_scores": options.raw_scores(fields),
            "documents": texts.echo(fields[INPUTS], INPUTS) if read.flag(returned, INPUTS) else None,
        },
    )


def _inside(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name) or {}
    if not isinstance(found, Mapping):
        raise InputError(name, f"must be an object, not {read.kind(found)}")
    return found


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{model_id, results: [{index, score, input?}], input_token_count}."""
    return {
        "model_id": result.model,
        "results": [_result(request, scored) for scored in ranking.best_first(request, result)],
        "input_token_count": result.tokens,
    }


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "score": ranking.number(request, scored)}
    if (documents := request.options.get("documents")) is not None:
        row["input"] = documents[scored.index]
    return row


WATSONX = Dialect(NAME, parse, render, errorbodies.cohere)
