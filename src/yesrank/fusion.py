"""Rankings made one: by their scores, standardised, or by the ranks alone."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Name = TypeVar("Name", bound=Hashable)
_RANK_CONSTANT = 60  # of the paper of reciprocal rank fusion, and of everyone since


def standardised(scores: Sequence[float] | npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """z-scores, float64 [N]; zeros where all are equal."""
    values = np.asarray(scores, np.float64)
    spread = values.std() if len(values) else 0.0
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


def weighted(
    first: Sequence[float] | npt.NDArray[np.floating],
    second: Sequence[float] | npt.NDArray[np.floating],
    weight: float,
) -> npt.NDArray[np.float64]:
    """weight x z(first) + (1 - weight) x z(second), float64 [N]; of the same items in the same order."""
    return weight * standardised(first) + (1 - weight) * standardised(second)


def reciprocal_rank(rankings: Sequence[Sequence[Name]]) -> dict[Name, float]:
    """The sum of 1 / (60 + rank) over the rankings that have an item; the best first."""
    found: dict[Name, float] = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, start=1):
            found[name] = found.get(name, 0.0) + 1 / (_RANK_CONSTANT + rank)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
