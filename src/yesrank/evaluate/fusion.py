"""Two rankings made one: a weighted sum of z-scores."""

from collections.abc import Mapping

from yesrank.evaluate.trec import Run
from yesrank.fusion import weighted


def fuse(logits: Run, first: Run, weight: float) -> Run:
    """weight x z(first stage) + (1 - weight) x z(logit) for each candidate, z over the candidates of its query."""
    return {query: _fused(row, first[query], weight) for query, row in logits.items()}


def _fused(row: Mapping[str, float], first: Mapping[str, float], weight: float) -> dict[str, float]:
    names = [*row]
    sums = weighted([first[name] for name in names], [row[name] for name in names], weight)
    return dict(zip(names, sums.tolist(), strict=True))
