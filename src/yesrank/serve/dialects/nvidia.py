"""NVIDIA's reranking API: query and passages as objects, `rankings` with logits out."""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult

NAME = "nvidia"
_OWN = ("query", "passages", "top_n", "top_k")


def parse(body: Any) -> RerankRequest:
    """truncate: END cuts a passage that is too long, NONE makes it an error. top_n is read too, for callers of ours."""
    fields = read.as_object(body)
    query = texts.query(fields)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=texts.documents(fields, "passages"),
        **options.shared(fields, _OWN, scores=False),
        top_n=options.count(fields, "top_n", "top_k"),
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{rankings: [{index, logit}], usage}. Its clients take the logit for the relevance, as it is."""
    return {
        "rankings": [
            {"index": scored.index, "logit": scored.logit} for scored in ranking.best_first(request, result)
        ],
        "usage": {"prompt_tokens": result.tokens, "total_tokens": result.tokens},
    }


NVIDIA = Dialect(NAME, parse, render, errorbodies.common)
