"""What was measured of each profile -> figures beside the most exact one, and the one to take."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from yesrank.bench.tune.profiles import Profile
from yesrank.bench.tune.sample import Sample
from yesrank.bench.tune.worker import Ran
from yesrank.evaluate.gate import kendall
from yesrank.evaluate.measures import MAIN, Values, measure
from yesrank.evaluate.statistics import Difference, difference

Logits = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a profile must keep to be recommended: Kendall's tau at least, a loss of nDCG@10 at most."""

    tau: float = 0.97
    ndcg_loss: float = 0.005


@dataclass(frozen=True, slots=True)
class Figures:
    """One profile. failed: why it did not run, and then nothing else is told.

    Speeds: medians over the rounds. cpu_seconds: processor time of a document; cores: how many it kept busy. peak:
    bytes of the whole process. drift_*: |logit - the base's| over all documents. tau: mean over queries of Kendall's
    tau-b with the base. ndcg: nDCG@10 less the base's, None without judgments. kept: whether it is within the bounds.
    """

    profile: Profile
    failed: str | None = None
    precision: str = ""
    note: str = ""
    documents_per_second: float = 0.0
    slowest: float = 0.0
    fastest: float = 0.0
    cpu_seconds: float = 0.0
    cores: float = 0.0
    load_seconds: float = 0.0
    peak: int = 0
    drift_mean: float = 0.0
    drift_max: float = 0.0
    tau: float = 0.0
    ndcg: Difference | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Tuning:
    """base: the most exact profile that ran; recommended: the fastest of those within the bounds.

    by_cpu: the one that needs the least processor time, of the same ones: another one where the machine was busy.
    """

    sample: Sample
    rounds: int
    bounds: Bounds
    figures: tuple[Figures, ...]
    base: Profile
    recommended: Profile
    by_cpu: Profile


def tuning(
    sample: Sample,
    bounds: Bounds,
    rounds: int,
    ran: Mapping[Profile, Sequence[Ran]],
    failed: Mapping[Profile, str],
) -> Tuning:
    """ran: of each profile that did every round; failed: of the others, why. One at least must have run."""
    base = min(ran, key=lambda profile: profile.inexactness)
    expected = ran[base][0].logits
    figures = tuple(
        Figures(profile, failed=failed[profile])
        if profile in failed
        else _figures(profile, ran[profile], expected, sample, bounds)
        for profile in (*ran, *failed)
    )
    kept = [each for each in figures if each.kept]
    return Tuning(
        sample=sample,
        rounds=rounds,
        bounds=bounds,
        figures=figures,
        base=base,
        recommended=max(kept, key=lambda each: each.documents_per_second).profile,
        by_cpu=min(kept, key=lambda each: each.cpu_seconds).profile,
    )


def _figures(
    profile: Profile, ran: Sequence[Ran], expected: Logits, sample: Sample, bounds: Bounds
) -> Figures:
    first = ran[0]
    speeds = [sample.documents / each.seconds for each in ran]
    drift = np.abs(_flat(first.logits) - _flat(expected))
    tau = _tau(first.logits, expected)
    ndcg = _ndcg(first.logits, expected, sample)
    return Figures(
        profile=profile,
        precision=first.precision,
        note=first.note,
        documents_per_second=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        cpu_seconds=statistics.median(each.cpu_seconds / sample.documents for each in ran),
        cores=statistics.median(each.cpu_seconds / each.seconds for each in ran),
        load_seconds=min(each.load_seconds for each in ran),
        peak=max(each.peak for each in ran),
        drift_mean=float(drift.mean()),
        drift_max=float(drift.max()),
        tau=tau,
        ndcg=ndcg,
        kept=tau >= bounds.tau and (ndcg is None or ndcg.value >= -bounds.ndcg_loss),
    )


def _flat(logits: Logits) -> np.ndarray:
    return np.concatenate([np.array(row, np.float64) for row in logits])


def _tau(logits: Logits, expected: Logits) -> float:
    """Over the queries with two documents or more."""
    pairs = [(np.array(x), np.array(y)) for x, y in zip(expected, logits, strict=True) if len(x) > 1]
    return float(np.mean([kendall(x, y) for x, y in pairs]))


def _ndcg(logits: Logits, expected: Logits, sample: Sample) -> Difference | None:
    if sample.qrels is None:
        return None
    return difference(_values(logits, sample)[MAIN], _values(expected, sample)[MAIN])


def _values(logits: Logits, sample: Sample) -> Values:
    run = {
        request.name: dict(zip(request.ids, row, strict=True))
        for request, row in zip(sample.requests, logits, strict=True)
    }
    return measure(sample.qrels or {}, run, (MAIN,))
