"""Do two runs of one model rank alike? For a quantisation, another engine, another version."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yesrank.evaluate import statistics
from yesrank.evaluate.measures import MAIN
from yesrank.evaluate.run import System
from yesrank.evaluate.statistics import Difference
from yesrank.evaluate.trec import Run, ranked

_TOP = 10
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """B beside A on the same candidates.

    tau: mean over queries of Kendall's tau-b of the logits. overlap: mean share of A's ten best that are among B's.
    delta_*: |logit of B - logit of A| over all pairs. ndcg: nDCG@10 of B less that of A. pairs: scored pairs; queries:
    those that they are of; ordered: those with two candidates or more, which tau is of.
    """

    a: str
    b: str
    queries: int
    ordered: int
    pairs: int
    tau: float
    overlap: float
    delta_mean: float
    delta_p99: float
    delta_max: float
    ndcg: Difference


def compare(a: System, b: System) -> Comparison:
    """Two models over the same candidates. Raises ValueError for a first stage, which has no logits."""
    if a.model is None or b.model is None:
        raise ValueError("only models can be compared")
    left, right = a.model.logits, b.model.logits
    columns = [
        (_array(row), np.array([right[query][name] for name in row])) for query, row in left.items() if row
    ]
    taus = [kendall(x, y) for x, y in columns if len(x) > 1]
    deltas = np.abs(np.concatenate([x - y for x, y in columns])) if columns else np.zeros(1)
    return Comparison(
        a=a.label,
        b=b.label,
        queries=len(columns),
        ordered=len(taus),
        pairs=a.model.pairs,
        tau=float(np.mean(taus)) if taus else 1.0,
        overlap=_overlap(left, right),
        delta_mean=float(deltas.mean()),
        delta_p99=float(np.percentile(deltas, 99)),
        delta_max=float(deltas.max()),
        ndcg=statistics.difference(b.values[MAIN], a.values[MAIN]),
    )


def kendall(x: _Floats, y: _Floats) -> float:
    """Kendall's tau-b, [-1, 1] (Kendall 1945: ties count in neither direction).

    Where one column is constant the formula divides by zero: 1 if both are, else 0.
    """
    upper = np.triu_indices(len(x), 1)
    first, second = (np.sign(column[:, None] - column[None, :])[upper] for column in (x, y))
    size = float(np.sqrt(np.abs(first).sum() * np.abs(second).sum()))
    if size == 0:
        return 1.0 if not first.any() and not second.any() else 0.0
    return float((first * second).sum()) / size


def _overlap(left: Run, right: Run) -> float:
    shares = [
        len({*ranked(row)[:_TOP]} & {*ranked(right[query])[:_TOP]}) / min(_TOP, len(row))
        for query, row in left.items()
        if row
    ]
    return float(np.mean(shares)) if shares else 1.0


def _array(row: Mapping[str, float]) -> _Floats:
    return np.array([*row.values()], np.float64)
