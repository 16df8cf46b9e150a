"""`yesrank verify`: is a converted folder what its source is?"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from yesrank.cli import output
from yesrank.cli.opening import embeds, engine_options
from yesrank.cli.options import (
    DeviceOption,
    EngineOption,
    EngineOptionsOption,
    FolderArgument,
    JsonOption,
    PrecisionOption,
    VariantOption,
)
from yesrank.errors import VerificationFailed

if TYPE_CHECKING:
    from yesrank.verify import EmbeddingReport, Order, Report


def verify(
    folder: FolderArgument,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            "-s",
            metavar="CHECKPOINT",
            help="Its checkpoint; else the name's or manifest's source.",
        ),
    ] = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    engine_option: EngineOptionsOption = None,
    layers: Annotated[bool, typer.Option("--layers", help="Also show the error after each layer.")] = False,
    prompts: Annotated[
        int | None,
        typer.Option("--prompts", min=1, help="How many prompts, where the whole set takes too long."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a converted folder with its source, computed in plain float32.

    Of ONNX files every variant, or the one named. Ends with exit code 1 where the differences are larger than the
    stored weights and the arithmetic explain.
    """
    from yesrank.models.engines import engine_for
    from yesrank.store import resolve, source_of
    from yesrank.verify import examine, examine_embedder, judge, judge_embedder

    entry = resolve(folder).overridden(
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        engine_options=engine_options(engine_option),
    )
    origin, converted = source or source_of(entry), entry.engine != "vllm"
    vectors = embeds(entry)
    expected: Any = (
        judge_embedder(
            entry.path, origin, prompts=prompts, sure=True, converted=converted, progress=output.note
        )
        if vectors
        else judge(entry.path, origin, prompts=prompts, converted=converted, progress=output.note)
    )
    chosen = entry.engine or engine_for(expected.model, entry.variant)
    every = chosen == "onnx" and entry.variant is None
    run: Any = examine_embedder if vectors else examine
    reports: list[Report | EmbeddingReport] = [
        run(
            expected,
            device=entry.device,
            precision=entry.precision,
            engine=chosen,
            variant=each,
            engine_options=entry.engine_options,
            layers=layers,
            progress=output.note,
        )
        for each in (expected.model.variants if every else (entry.variant,))
    ]
    if as_json:
        data = [_as_data(report) for report in reports]
        output.show_json(data[0] if not every else {"variants": data})
    else:
        for report in reports:
            _show(report, _vectors(report) if vectors else _logits(report))
    if failed := [report for report in reports if not report.passed]:
        raise VerificationFailed(
            "; ".join(f"{_subject(report)}: {', '.join(report.failures)}" for report in failed),
            "convert again; where that does not help, yesrank verify --layers shows where it begins (OpenVINO)",
        )


def _subject(report: "Report | EmbeddingReport") -> str:
    is_onnx = report.engine.engine == "onnx"
    return f"{report.folder}, variant {report.engine.variant}" if is_onnx else str(report.folder)


def _as_data(report: "Report | EmbeddingReport") -> dict[str, Any]:
    data = {**asdict(report), "folder": str(report.folder), "source": str(report.source)}
    return {**data, "passed": report.passed}


def _logits(report: Any) -> dict[str, str]:
    """What differs, of a reranker."""
    found = report.comparison
    return {
        "prompts": f"{report.prompts}, {report.tokens} tokens",
        "hidden error": f"max {found.max_hidden_error:.3%}, mean {found.mean_hidden_error:.3%} "
        f"(allowed {report.tolerance:.1%})",
        "logit error": f"max {found.max_logit_error:.4f}, mean {found.mean_logit_error:.4f}",
        "score error": f"max {found.max_score_error:.4f}",
    }


def _vectors(report: Any) -> dict[str, str]:
    """What differs, of an embedding model."""
    return {
        "texts": f"{report.texts}, {report.tokens} tokens",
        "cosine": f"least {report.least_cosine:.6f}, mean {report.mean_cosine:.6f} "
        f"(allowed {report.allowed_cosine:.4f})",
        "hidden error": f"max {report.max_hidden_error:.3%}, mean {report.mean_hidden_error:.3%} "
        f"(allowed {report.tolerance:.1%})",
    }


def _show(report: "Report | EmbeddingReport", differs: dict[str, str]) -> None:
    output.show(
        output.facts(
            {
                "folder": str(report.folder),
                "source": str(report.source),
                "engine": f"{report.engine.engine} on {report.engine.device}, {report.engine.precision}",
                "weights": report.weights,
                "time": f"reference {report.reference_seconds:.1f} s, folder {report.engine_seconds:.1f} s",
                **differs,
                "published": _published(report),
                "config.json": f"read by {report.read_by} as well",
            }
        )
    )
    orders = getattr(report, "comparison", None)
    if orders is not None:
        _show_orders(orders.orders)
    if report.layers:
        _show_layers(report)
    output.show("verified" if report.passed else "NOT verified")


def _published(report: "Report | EmbeddingReport") -> str:
    golden = report.golden
    if not golden.applies:
        return golden.note
    return (
        f"{golden.note}; reference within {golden.reference_error:.5f}, "
        f"folder within {golden.converted_error:.4f}"
    )


def _show_orders(orders: "Sequence[Order]") -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("group", "prompts", "Kendall tau", "swapped pairs"):
        table.add_column(name, justify="left" if name == "group" else "right")
    for order in orders:
        table.add_row(order.group, str(order.prompts), f"{order.tau:.3f}", str(order.swapped))
    output.show(table)


def _show_layers(report: "Report | EmbeddingReport") -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("after")
    table.add_column("mean error", justify="right")
    table.add_column("")
    largest = max(report.layers)
    for layer, error in enumerate(report.layers):
        name = f"layer {layer - 1}" if layer else "embedding"
        table.add_row(name, f"{error:.4%}", output.bar(error / largest if largest else 0.0, width=20))
    output.show(table)
