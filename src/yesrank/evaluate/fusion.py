"""Two rankings made one: a weighted sum of z-scores."""

from collections.abc import Mapping

import numpy as np

from yesrank.evaluate.trec import Run


def fuse(logits: Run, first: Run, weight: float) -> Run:
    """weight x z(first stage) + (1 - weight) x z(logit) for each candidate, z over the candidates of its query."""
    return {query: _fused(row, first[query], weight) for query, row in logits.items()}


def _fused(row: Mapping[str, float], first: Mapping[str, float], weight: float) -> dict[str, float]:
    names = [*row]
    ours, theirs = _z([row[name] for name in names]), _z([first[name] for name in names])
    return dict(zip(names, (weight * theirs + (1 - weight) * ours).tolist(), strict=True))


def _z(scores: list[float]) -> np.ndarray:
    values = np.array(scores, np.float64)
    spread = values.std() if len(values) else 0.0
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
