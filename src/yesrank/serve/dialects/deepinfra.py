"""DeepInfra's inference API: `queries` and `documents` in, `scores` in the order sent out. The path names the model."""

from dataclasses import replace
from typing import Any

from yesrank.serve.dialects import errorbodies, ranking, vllm_score
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult

NAME = "deepinfra"


def parse(body: Any) -> RerankRequest:
    """The sides are vLLM's: one query for all documents, or one for each."""
    return replace(vllm_score.parse(body), dialect=NAME)


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{scores, input_tokens, request_id, inference_status}."""
    ordered = sorted(result.results, key=lambda scored: scored.index)
    return {
        "scores": [ranking.number(request, scored) for scored in ordered],
        "input_tokens": result.tokens,
        "request_id": result.request_id,
        "inference_status": {"status": "succeeded", "tokens_input": result.tokens, "tokens_generated": 0},
    }


DEEPINFRA = Dialect(NAME, parse, render, errorbodies.common)
