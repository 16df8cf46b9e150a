"""Mixedbread: the documents are called `input`; the rest is close to Voyage."""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "mixedbread"
_OWN = ("query", "input", "top_k", "top_n", "rank_fields", "return_input", *options.THRESHOLDS)


def parse(body: Any) -> RerankRequest:
    """{model, query, input, top_k, rank_fields, return_input}."""
    fields = read.as_object(body)
    query = texts.query(fields)
    documents = texts.documents(fields, "input", texts.rank_fields(fields))
    returns = read.flag(fields, "return_input") or False
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=documents,
        **options.shared(fields, _OWN),
        top_n=options.count(fields, "top_k", "top_n"),
        options={
            "raw_scores": options.raw_scores(fields),
            "threshold": options.threshold(fields),
            "input": _echo(fields["input"]) if returns else None,
        },
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{object, model, data: [{index, score, input?, object}], usage, top_k, return_input}."""
    rows = [_result(request, scored) for scored in ranking.best_first(request, result)]
    return {
        "object": "list",
        "model": result.model,
        "data": rows,
        "usage": ranking.usage(result),
        "top_k": len(rows),
        "return_input": request.options.get("input") is not None,
    }


def _echo(values: list[Any]) -> tuple[Any, ...]:
    """Here a string comes back as a string."""
    echoed = texts.echo(values, "input")
    return tuple(
        copy["text"] if isinstance(value, str) else copy for value, copy in zip(values, echoed, strict=True)
    )


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row = {"index": scored.index, "score": ranking.number(request, scored), "object": "rank_result"}
    returned = request.options.get("input")
    return row if returned is None else {**row, "input": returned[scored.index]}


MIXEDBREAD = Dialect(NAME, parse, render, errorbodies.common)
