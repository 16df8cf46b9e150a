"""What `yesrank tune` found, as a table and as plain data."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from yesrank.cli import output

if TYPE_CHECKING:
    from yesrank.bench.tune import Figures, Profile, Tuning

_HEADS = ("documents/s", "(range)", "CPU s/doc", "cores", "peak memory", "logit drift mean/max", "tau")


def show(found: "Tuning") -> None:
    """A line for each profile, the failed ones with their reason, and the recommendation with its rule."""
    judged = found.sample.qrels is not None
    table = Table(box=None, pad_edge=False)
    table.add_column("", width=1)
    table.add_column("profile", no_wrap=True)
    for head in (*_HEADS, *(("nDCG@10 change",) if judged else ())):
        table.add_column(head, justify="right")
    for each in found.figures:
        if each.failed is None:
            table.add_row("*" if each.profile == found.recommended else "", *_cells(each, found.base))
    output.show(table)
    for each in found.figures:
        if each.failed is not None:
            output.show(f"failed: {each.profile.name}: {output.printable(each.failed)}")
    bounds = found.bounds
    loss = f" and nDCG@10 at most {bounds.ndcg_loss:g} lower" if judged else ""
    output.show(
        f"recommended: {found.recommended.name}, the fastest with tau {bounds.tau:g} or more{loss} "
        f"beside {found.base.name}"
    )
    _tell(found)


def as_data(found: "Tuning") -> dict[str, Any]:
    """Everything measured, without the texts."""
    return {
        "sample": {"what": found.sample.what, "documents": found.sample.documents},
        "rounds": found.rounds,
        "bounds": asdict(found.bounds),
        "base": found.base.name,
        "recommended": _as_options(found.recommended),
        "least_cpu": found.by_cpu.name,
        "profiles": [{**asdict(each), "profile": each.profile.name} for each in found.figures],
    }


def _cells(each: "Figures", base: "Profile") -> list[str]:
    is_base = each.profile == base
    cells = [
        each.profile.name,
        f"{each.documents_per_second:.2f}",
        f"{each.slowest:.2f}-{each.fastest:.2f}",
        f"{each.cpu_seconds:.3f}",
        f"{each.cores:.1f}",
        output.size(each.peak),
        "base" if is_base else f"{each.drift_mean:.4f}/{each.drift_max:.4f}",
        "base" if is_base else f"{each.tau:.4f}",
    ]
    if each.ndcg is None:
        return cells
    return [
        *cells,
        "base" if is_base else f"{each.ndcg.value:+.4f} ({each.ndcg.low:+.4f} to {each.ndcg.high:+.4f})",
    ]


def _as_options(profile: "Profile") -> dict[str, str | None]:
    is_onnx = profile.engine == "onnx"
    return {
        "profile": profile.name,
        "engine": profile.engine,
        "variant": profile.kind if is_onnx else None,
        "precision": "auto" if is_onnx else profile.kind,
    }


def _tell(found: "Tuning") -> None:
    """What a reader of the table should know."""
    if found.base.kind not in ("f32", "fp32"):
        output.note(f"note: no float32 here: drift and tau are against {found.base.name}, which rounds, too")
    if found.by_cpu != found.recommended:
        output.note(
            f"note: {found.by_cpu.name} needs less processor time: where other programs run meanwhile, "
            "that tells more than documents a second; repeat it on a quiet machine"
        )
