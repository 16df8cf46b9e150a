"""What `yesrank eval` prints and writes."""

import re
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.table import Table

from yesrank.cli import output
from yesrank.errors import InputError
from yesrank.evaluate.measures import MAIN, MEASURES
from yesrank.evaluate.trec import check_ids, write_run

if TYPE_CHECKING:
    from yesrank.evaluate import Evaluation, System
    from yesrank.evaluate.gate import Comparison

_ANY_WIDTH = 10_000


def as_data(found: "Evaluation", comparison: "Comparison | None" = None) -> dict[str, Any]:
    """An evaluation as plain data for JSON, per-query figures included."""
    collection = found.collection
    data = {
        "collection": {
            "name": collection.name,
            "documents": len(collection.documents),
            "queries": len(collection.qrels),
            "judgments": sum(map(len, collection.qrels.values())),
        },
        "first_stage": found.first_stage.how,
        "top_k": found.top_k if len(found.systems) > 1 else None,
        "notes": [*found.notes],
        "systems": [_system(system) for system in found.systems],
        "queries": [
            {
                "id": query,
                **({"instruction": told} if (told := collection.instructions.get(query)) else {}),
                "figures": {
                    system.label: {name: float(row[at]) for name, row in system.values.items()}
                    for system in found.systems
                },
            }
            for at, query in enumerate(found.queries)
        ],
    }
    return {**data, "comparison": asdict(comparison)} if comparison else data


def show_evaluation(found: "Evaluation", comparison: "Comparison | None" = None) -> None:
    """The table of figures, what is gained, and the comparison where there is one."""
    output.show(_figures(found))
    if len(found.systems) > 1:
        output.show("")
        output.show(_gains_that_fit(found))
    if comparison:
        output.show("")
        output.show(_comparison(comparison))


def save_runs(folder: Path, found: "Evaluation") -> None:
    """One TREC run file a system. Raises InputError where they cannot be written."""
    paths = run_files(folder, [system.label for system in found.systems])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for system in found.systems:
            write_run(paths[system.label], system.run, system.label)
    except OSError as error:
        raise InputError(
            "save-run", f"{folder} cannot be written: {error.strerror}", "name another folder"
        ) from error
    output.note(f"runs: {len(found.systems)} files in {folder}")
    if any(map(check_ids, (system.run for system in found.systems))):
        output.note(
            "note: save-run: ids hold spaces, so that tabs part the columns; trec_eval cannot read such a file"
        )


def run_files(folder: Path, labels: Iterable[str]) -> dict[str, Path]:
    """The file of each ranking by its label, which may hold what a file's name may not."""
    found: dict[str, Path] = {}
    for label in labels:
        name = re.sub(r"[^\w.+@-]+", "-", label).strip("-.") or "run"
        names = chain([name], (f"{name}-{at}" for at in count(2)))
        paths = (folder / f"{each}.trec" for each in names)
        found[label] = next(path for path in paths if path not in found.values())
    return found


def write_report(path: Path, found: "Evaluation", comparison: "Comparison | None") -> None:
    """The HTML report. Raises InputError where it cannot be written."""
    from yesrank.evaluate.report import render

    try:
        path.write_text(render(found, comparison), encoding="utf-8")
    except OSError as error:
        raise InputError(
            "html", f"{path} cannot be written: {error.strerror}", "name another file"
        ) from error
    output.note(f"report: {path}")


def _system(system: "System") -> dict[str, Any]:
    model = system.model
    data: dict[str, Any] = {"label": system.label, "figures": {k: asdict(v) for k, v in system.means.items()}}
    if system.gains:
        data["gains"] = {name: asdict(gain) for name, gain in system.gains.items()}
    if model:
        data["model"] = {
            "engine": model.info.engine,
            "device": model.info.device,
            "precision": model.info.precision,
            "weights": system.weights or None,
            "pairs": model.pairs,
            "scored_now": model.fresh,
            "truncated": model.truncated,
            "settings": dict(system.settings),
            "documents_per_second": model.per_second,
        }
    return data


def _figures(found: "Evaluation") -> Table:
    table = Table(
        title=f"{found.collection.name}: {len(found.queries)} queries, {found.what}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("ranking", overflow="fold")
    for name in MEASURES:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("documents/s", justify="right")
    table.add_column("precision")
    for system in found.systems:
        means = [f"{system.means[name].value:.4f}" for name in MEASURES]
        speed = system.model.per_second if system.model else None
        table.add_row(system.label, *means, f"{speed:,.1f}" if speed else "", system.precision)
    return table


def _gains_that_fit(found: "Evaluation") -> Table:
    """Intervals go under their means where the terminal is narrow; else no room would be left for the names."""
    console = output.stdout_console()
    wide = _gains(found, " ")
    whole = Measurement.get(console, console.options.update(width=_ANY_WIDTH), wide).maximum
    return wide if whole <= console.width else _gains(found, "\n")


def _gains(found: "Evaluation", between: str) -> Table:
    """between: what parts a mean from its interval."""
    base = found.systems[0].label
    table = Table(title=f"{MAIN} with 95 % intervals", title_justify="left", box=None, pad_edge=False)
    table.add_column("ranking", overflow="fold")
    for name in (MAIN, f"against {base}", "p", "better", "worse", "same"):
        table.add_column(name, justify="right", no_wrap=True)
    for system in found.systems:
        mean = system.means[MAIN]
        cells = [system.label, f"{mean.value:.4f}{between}[{mean.low:.4f}, {mean.high:.4f}]"]
        if system.gains:
            gain = system.gains[MAIN]
            change = system.values[MAIN] - found.systems[0].values[MAIN]
            cells += [f"{gain.value:+.4f}{between}[{gain.low:+.4f}, {gain.high:+.4f}]", f"{gain.p:.4f}"]
            cells += [
                str(int(count)) for count in ((change > 0).sum(), (change < 0).sum(), (change == 0).sum())
            ]
        table.add_row(*cells)
    return table


def _comparison(found: "Comparison") -> Table:
    gain = found.ndcg
    return output.facts(
        {
            "compared": f"{found.b} beside {found.a}: {found.pairs} pairs of {found.queries} queries{_alone(found)}",
            "Kendall tau": f"{found.tau:.4f}" if found.ordered else "no query has two candidates",
            "top-10 overlap": f"{found.overlap:.4f}",
            "|delta logit|": f"mean {found.delta_mean:.4f}, p99 {found.delta_p99:.4f}, max {found.delta_max:.4f}",
            f"{MAIN} difference": f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], p {gain.p:.4f}",
        }
    )


def _alone(found: "Comparison") -> str:
    alone = found.queries - found.ordered
    return f", {alone} of them with one candidate, which has no order" if alone and found.ordered else ""
