"""`yesrank eval --benchmark`: the published benchmarks, by way of mteb."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from yesrank.cli import output

if TYPE_CHECKING:
    from yesrank.evaluate.benchmarks import BenchmarkReport
    from yesrank.store import Entry


def run_and_show(
    name: str,
    entries: "Sequence[Entry]",
    asked: Mapping[str, Any],
    first_stage: str | None,
    tasks: Sequence[str],
    folder: Path | None,
    *,
    top_k: int,
    as_json: bool,
) -> None:
    """Runs the benchmark with each model, and shows each one's figures beside the published ones.

    asked: instruction, template and max_length where the caller wants others than the official ones. Those of a
    stored name are not used: they are for serving.
    """
    from yesrank.evaluate.benchmarks import FIRST_STAGE, run_benchmark, select_tasks
    from yesrank.evaluate.mteb_model import MtebReranker

    select_tasks(name, tasks)  # wrong names are told before a model is loaded
    if folder is None:
        output.note("nothing of this run is kept; with --keep DIR a stopped run can go on", style="dim")
    reports = []
    for entry in entries:
        model = MtebReranker.open(
            entry.path,
            device=entry.device,
            precision=entry.precision,
            engine=entry.engine,
            variant=entry.variant,
            template=asked["template"],
            max_length=asked["max_length"],
            instructions=asked["instruction"],
        )
        with model.reranker:
            report = run_benchmark(
                name,
                model,
                first_stage=first_stage or FIRST_STAGE,
                output=folder,
                tasks=tasks,
                top_k=top_k,
                note=output.note,
                progress=True,
            )
        for note in report.notes:
            output.note(f"note: {note}")
        if not as_json:
            _show(report)
        reports.append(report.as_dict())
    if as_json:
        output.show_json({"benchmarks": reports})


def _show(report: "BenchmarkReport") -> None:
    table = Table(box=None, pad_edge=False)
    for title in (report.benchmark, "first stage", "reranked", "published"):
        table.add_column(title, justify="left" if title == report.benchmark else "right")
    for row in report.rows():
        table.add_row(*row)
    output.show(
        f"{report.model} ({report.precision}) over the top {report.top_k} of {report.first_stage_name}"
    )
    output.show(table)
