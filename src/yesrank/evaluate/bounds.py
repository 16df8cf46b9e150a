"""Bounds that a figure must keep, for use in continuous integration: `nDCG@10=0.6`, `tau=0.95`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yesrank.errors import InputError
from yesrank.evaluate.gate import Comparison
from yesrank.evaluate.measures import MEASURES
from yesrank.evaluate.run import Evaluation

COMPARED = ("tau", "overlap", "difference", "difference-low", "delta-mean", "delta-p99", "delta-max")


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure's name and the value that it must not fall under, or, where `over` is set, not exceed."""

    name: str
    value: float
    over: bool = False


def parse_bound(text: str, *, over: bool = False, compared: bool = False) -> Bound:
    """METRIC=VALUE. compared: whether figures of a comparison are to be had. Raises InputError."""
    field = "fail-over" if over else "fail-under"
    name, sign, value = (part.strip() for part in text.partition("="))
    known = {known.casefold(): known for known in (*MEASURES, *(COMPARED if compared else ()))}
    if not sign or name.casefold() not in known:
        hint = f"write METRIC=VALUE, with one of: {', '.join(known.values())}"
        if name.casefold() in COMPARED:
            hint = f"{name} needs --compare A B"
        raise InputError(field, f"{text!r} names no figure", hint)
    return Bound(known[name.casefold()], _number(value, field, name), over)


def broken(bounds: Sequence[Bound], evaluation: Evaluation, comparison: Comparison | None) -> list[str]:
    """One sentence for each bound that does not hold; every model and fusion must keep it, else the first stage."""
    found = []
    for bound in bounds:
        for label, value in _figures(bound.name, evaluation, comparison):
            if math.isnan(value):
                found.append(f"{label}: {bound.name} cannot be told, no query has candidates enough")
            elif not (value <= bound.value if bound.over else value >= bound.value):
                word = "over" if bound.over else "under"
                found.append(f"{label}: {bound.name} is {value:.4f}, {word} {bound.value:g}")
    return found


def _number(text: str, field: str, name: str) -> float:
    """Raises InputError also for nan and inf: no figure, or every figure, would keep such a bound."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(field, f"{text!r} is not a number", f"write {name}=0.6")
    return value


def compared_figures(comparison: Comparison) -> Mapping[str, float]:
    """The figures of a comparison by the names that bounds use."""
    values = (
        comparison.tau,
        comparison.overlap,
        comparison.ndcg.value,
        comparison.ndcg.low,
        comparison.delta_mean,
        comparison.delta_p99,
        comparison.delta_max,
    )
    return dict(zip(COMPARED, values, strict=True))


def _figures(name: str, evaluation: Evaluation, comparison: Comparison | None) -> Iterator[tuple[str, float]]:
    if comparison is not None and name in COMPARED:
        # a comparison of nothing finds no difference, which is not what a bound asks for
        enough = comparison.ordered if name == "tau" else comparison.pairs
        value = compared_figures(comparison)[name] if enough else math.nan
        yield f"{comparison.b} beside {comparison.a}", value
        return
    for system in evaluation.systems[1:] or evaluation.systems:
        yield system.label, system.means[name].value
