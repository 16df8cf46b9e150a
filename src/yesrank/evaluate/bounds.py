"""Bounds that a figure must keep, for use in continuous integration: `nDCG@10=0.6`, `tau=0.95`."""

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
    try:
        return Bound(known[name.casefold()], float(value), over)
    except ValueError:
        raise InputError(field, f"{value!r} is not a number", f"write {name}=0.6") from None


def broken(bounds: Sequence[Bound], evaluation: Evaluation, comparison: Comparison | None) -> list[str]:
    """One sentence for each bound that does not hold; every model and fusion must keep it, else the first stage."""
    found = []
    for bound in bounds:
        for label, value in _figures(bound.name, evaluation, comparison):
            # not `<`: NaN keeps no bound
            if not (value <= bound.value if bound.over else value >= bound.value):
                word = "over" if bound.over else "under"
                found.append(f"{label}: {bound.name} is {value:.4f}, {word} {bound.value:g}")
    return found


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
        yield f"{comparison.b} beside {comparison.a}", compared_figures(comparison)[name]
        return
    for system in evaluation.systems[1:] or evaluation.systems:
        yield system.label, system.means[name].value
