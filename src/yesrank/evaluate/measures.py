"""Figures per query, by ir-measures."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from yesrank.errors import MissingExtra
from yesrank.evaluate.trec import Qrels, Run, ranked

MAIN = "nDCG@10"
MEASURES = {"nDCG@10": "nDCG@10", "MRR@10": "RR@10", "AP": "AP", "R@100": "R@100", "Judged@10": "Judged@10"}
"""Name shown -> name in ir-measures."""
Values = Mapping[str, npt.NDArray[np.float64]]
"""Figures by measure, float64 [Q], in the order of the qrels' queries."""


def measure(qrels: Qrels, run: Run, names: Sequence[str] = tuple(MEASURES)) -> Values:
    """Each measure for each judged query; a query without documents counts as 0, as `trec_eval -c` does.

    ir-measures hands the measures to several programs, and these break ties differently (RR@10 and Judged@10 by the
    earlier id, the others by the later one). So it is given ranks in place of scores: one order for all of them.
    Raises MissingExtra.
    """
    try:
        import ir_measures
    except ImportError:
        raise MissingExtra("ir-measures", "eval") from None
    ranks = {
        query: {document: float(-rank) for rank, document in enumerate(ranked(run[query]))}
        for query in qrels
        if run.get(query)
    }
    parsed = {ir_measures.parse_measure(MEASURES[name]): name for name in names}
    found = {name: dict.fromkeys(qrels, 0.0) for name in names}
    if ranks:
        # no measure here tells a negative grade from 0, but trec_eval reads past its arrays where a query has no other
        grades = {query: {name: max(0, grade) for name, grade in row.items()} for query, row in qrels.items()}
        for figure in ir_measures.iter_calc([*parsed], grades, ranks):
            found[parsed[figure.measure]][figure.query_id] = float(figure.value)
    return {name: np.fromiter(rows.values(), np.float64) for name, rows in found.items()}
