"""Order and numbers of a result, the same for all dialects."""

from yesrank.serve.requests import RerankRequest, RerankResult, Scored


def best_first(request: RerankRequest, result: RerankResult) -> list[Scored]:
    """The top_n best, by logit: scores saturate at 1.0 where logits still differ. Ties keep the request's order.

    Those below the threshold are left out first: there may be fewer, or none.
    """
    least = request.options.get("threshold") or 0.0
    chosen = [scored for scored in result.results if scored.score >= least]
    ordered = sorted(chosen, key=lambda scored: (-scored.logit, scored.index))
    return ordered[: request.top_n]


def number(request: RerankRequest, scored: Scored) -> float:
    """What the caller asked to see: the score in [0, 1], or the logit."""
    return float(scored.logit if request.options.get("raw_scores") else scored.score)


def usage(result: RerankResult) -> dict[str, int]:
    """OpenAI's way of counting. Nothing is generated, so all tokens are prompt tokens."""
    return {"prompt_tokens": result.tokens, "total_tokens": result.tokens}
