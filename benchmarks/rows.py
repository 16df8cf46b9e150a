"""Measurements of all rounds -> a row for each contender."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from contenders import CONTENDERS, OURS
from request import Request
from worker import Measurement


@dataclass(frozen=True)
class Row:
    """One contender over all rounds. Memory in bytes.

    cpu_seconds: processor time of a document. times_faster, times_cheaper: what a document takes here over what it
    takes with a contender of ours, by the clock and by processor time.
    """

    name: str
    label: str
    documents: int
    documents_per_second: float
    slowest: float
    fastest: float
    cpu_seconds: float
    cores: float
    load_seconds: float
    weights: int
    peak: int
    running: int
    logit_error: float
    mean_error: float
    times_faster: dict[str, float]
    times_cheaper: dict[str, float]


def rows_of(
    request: Request, rounds: Sequence[dict[str, Measurement]], judged: dict[int, float]
) -> list[Row]:
    """In the order of CONTENDERS, of those that ran. judged: index of a document -> its logit in float32."""
    return [
        _row(name, request, [each for each in rounds if name in each], judged)
        for name in CONTENDERS
        if name in rounds[0]
    ]


def _row(
    name: str, request: Request, rounds: Sequence[dict[str, Measurement]], judged: dict[int, float]
) -> Row:
    contender, mine = CONTENDERS[name], [each[name] for each in rounds]
    speeds = [each.documents / each.seconds for each in mine]
    logits = dict(zip(request.indices(contender), mine[0].logits, strict=True))
    errors = [abs(logits[index] - logit) for index, logit in judged.items()]
    return Row(
        name=name,
        label=contender.label,
        documents=mine[0].documents,
        documents_per_second=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        cpu_seconds=statistics.median(each.cpu_seconds / each.documents for each in mine),
        cores=statistics.median(each.cores for each in mine),
        load_seconds=statistics.median(each.load_seconds for each in mine),
        weights=mine[0].weights,
        peak=max(each.peak for each in mine),
        running=max(each.running for each in mine),
        logit_error=max(errors),
        mean_error=statistics.mean(errors),
        times_faster={ours: _ratio(ours, name, rounds, "seconds") for ours in OURS if ours in rounds[0]},
        times_cheaper={ours: _ratio(ours, name, rounds, "cpu_seconds") for ours in OURS if ours in rounds[0]},
    )


def _ratio(ours: str, other: str, rounds: Sequence[dict[str, Measurement]], field: str) -> float:
    """Median over the rounds of what the other needs for a document over what ours needs, in the same round."""
    return statistics.median(
        (getattr(each[other], field) / each[other].documents)
        / (getattr(each[ours], field) / each[ours].documents)
        for each in rounds
        if ours in each and other in each
    )
