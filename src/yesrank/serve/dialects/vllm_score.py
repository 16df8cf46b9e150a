"""vLLM's score: one text against many (1:N) or pair by pair (N:N), answered in the order of the request."""

from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.dialects.fields import Fields
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "vllm-score"
PAIRS = (
    ("text_1", "text_2"),
    ("data_1", "data_2"),
    ("queries", "documents"),
    ("queries", "items"),
    ("query", "documents"),
)
"""The names of both sides: the same request under each generation of vLLM, and what people write on /score."""
OWN = frozenset({"text_1", "text_2", "data_1", "data_2", "queries"})


def parse(body: Any) -> RerankRequest:
    """The first side holds queries, the second documents; each is a string or a list."""
    fields = read.as_object(body)
    first, second = _names(fields)
    queries, documents = _side(fields, first), _side(fields, second)
    if len(queries) not in (1, len(documents)):
        message = f"has {len(queries)} texts for the {len(documents)} of {second}"
        raise InputError(first, message, "give one text, or as many as there are on the other side")
    return RerankRequest(
        dialect=NAME,
        queries=queries,
        documents=documents,
        **options.shared(fields, (first, second)),
        options={"raw_scores": options.raw_scores(fields)},
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{id, object, created, model, data: [{index, object, score}], usage}, in the order of the request."""
    ordered = sorted(result.results, key=lambda scored: scored.index)
    return {
        "id": result.request_id,
        "object": "list",
        "created": result.created,
        "model": result.model,
        "data": [_score(request, scored) for scored in ordered],
        "usage": {**ranking.usage(result), "completion_tokens": 0},
    }


def _names(fields: Fields) -> tuple[str, str]:
    """Both names: of a pair that is there, else of the first that one of them belongs to."""
    given = {name for pair in PAIRS for name in pair if fields.get(name) is not None}
    for pair in PAIRS:
        if given.issuperset(pair):
            return pair
    return next((pair for place in (0, 1) for pair in PAIRS if pair[place] in given), PAIRS[0])


def _side(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if isinstance(value, str | dict):
        return (texts.one_text(value, name),)
    return texts.documents(fields, name)


def _score(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "object": "score", "score": ranking.number(request, scored)}
    return {**row, "truncated": True} if scored.truncated else row


VLLM_SCORE = Dialect(NAME, parse, render, errorbodies.vllm)
