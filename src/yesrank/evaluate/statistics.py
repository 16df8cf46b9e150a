"""How sure a mean over queries is: bootstrap intervals and a paired randomisation test, both seeded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_SEED, _ROUNDS = 20250605, 10_000
_CELLS = 2_000_000  # bounds the memory of one block of resamples
_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over queries with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of paired differences, its 95 % interval, and the two-sided p of the randomisation test."""

    value: float
    low: float
    high: float
    p: float


def mean(values: Floats) -> Mean:
    """Percentile bootstrap over queries (Efron 1979), 10 000 resamples. values: [Q], Q of 1 or more.

    The seed is fixed: the same queries are drawn for every run, so that intervals of one table are comparable.
    """
    rng = np.random.default_rng(_SEED)
    count = len(values)
    means = [values[rng.integers(count, size=(rows, count))].mean(1) for rows in _blocks(count)]
    low, high = np.percentile(np.concatenate(means), (_LOW, _HIGH))
    return Mean(float(values.mean()), float(low), float(high))


def difference(values: Floats, baseline: Floats) -> Difference:
    """values less baseline, query by query, both [Q]."""
    gains = values - baseline
    found = mean(gains)
    return Difference(found.value, found.low, found.high, randomisation(gains))


def randomisation(gains: Floats) -> float:
    """Two-sided p of Fisher's paired randomisation test: how often random signs give as large a mean.

    Smucker, Allan, Carterette, CIKM 2007. (hits + 1) / (rounds + 1), so never 0.
    """
    rng = np.random.default_rng(_SEED)
    observed = abs(gains.sum()) - 1e-9  # sums of the same numbers in another order differ in the last digits
    hits = sum(
        int((np.abs(rng.choice((-1.0, 1.0), size=(rows, len(gains))) @ gains) >= observed).sum())
        for rows in _blocks(len(gains))
    )
    return (hits + 1) / (_ROUNDS + 1)


def _blocks(count: int) -> Iterator[int]:
    size = max(1, min(_ROUNDS, _CELLS // max(count, 1)))
    for begin in range(0, _ROUNDS, size):
        yield min(size, _ROUNDS - begin)
