"""`yesrank eval`: how good is the ranking on a collection with known answers?"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yesrank.cli import output
from yesrank.cli.options import (
    DeviceOption,
    InstructionOption,
    JsonOption,
    MaxLengthOption,
    Precision,
    TemplateOption,
)
from yesrank.errors import InputError, VerificationFailed

if TYPE_CHECKING:
    from yesrank.evaluate import Collection, Contender, Evaluation, FirstStage
    from yesrank.evaluate.bounds import Bound
    from yesrank.evaluate.gate import Comparison
    from yesrank.store import Entry

_SPLIT = "test"
_Files = tuple[Path | None, Path | None, Path | None]


def eval(
    collection: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]", help="A BEIR folder; or give the three files.", show_default=False
        ),
    ] = None,
    *,
    split: Annotated[str, typer.Option("--split", help="Which judgments: qrels/SPLIT.tsv.")] = _SPLIT,
    corpus: Annotated[Path | None, typer.Option("--corpus", help="Documents: JSONL, or id TAB text.")] = None,
    queries: Annotated[Path | None, typer.Option("--queries", help="Queries: JSONL, or id TAB text.")] = None,
    qrels: Annotated[
        Path | None, typer.Option("--qrels", help="Judgments: BEIR's or TREC's columns.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="First stage: a TREC run file, in place of BM25.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="Of BM25: en, de, zh, ..., plain; else guessed.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FOLDER[@PRECISION|@VARIANT]",
            help="A model; may be given again. Without it YESRANK_MODEL, else the built-in small model.",
        ),
    ] = None,
    precision: Annotated[
        list[Precision] | None,
        typer.Option(
            "--precision", "-p", metavar="auto|f32|bf16|int8", help="May be given again: each model in each."
        ),
    ] = None,
    first_stage_only: Annotated[
        bool, typer.Option("--first-stage-only", help="Measure the first stage, rerank nothing.")
    ] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare", metavar="A B", help="Two models, each NAME|FOLDER[@PRECISION]: do they rank alike?"
        ),
    ] = None,
    device: DeviceOption = None,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    top_k: Annotated[
        int, typer.Option("--top-k", "-k", min=1, help="Candidates of each query to rerank.")
    ] = 100,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first N judged queries.")
    ] = None,
    fuse: Annotated[
        float | None,
        typer.Option(
            "--fuse", min=0, max=1, metavar="W", help="Also fuse z-scores, the first stage with this weight."
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", help="File that keeps scores; else YESRANK_SCORES or the cache folder."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Score again what is already known.")] = False,
    save_run: Annotated[
        Path | None, typer.Option("--save-run", metavar="DIR", help="Write each ranking as a TREC run.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots.")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under", metavar="METRIC=VALUE", help="Exit 1 where a figure is lower; may be repeated."
        ),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-over", metavar="METRIC=VALUE", help="Exit 1 where it is higher, such as delta-p99."
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark",
            metavar="NAME",
            help="A published one instead: MTEB-R, CMTEB-R, MMTEB-R, MLDR, MTEB-Code, FollowIR.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="NAME", help="Of a benchmark, only this; may be given again."),
    ] = None,
    first_stage: Annotated[
        str | None,
        typer.Option(
            "--first-stage",
            metavar="FOLDER|NAME",
            help="Of a benchmark: predictions by mteb, or its name of an embedding model.",
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep what a benchmark has done, to go on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure ranking quality on a collection with judgments, first stage and reranked side by side.

    Scores are kept as they are computed: a stopped run goes on where it was. With --compare, two models or
    precisions are also compared with each other on the same candidates.
    """
    options = {"device": device, "instruction": instruction, "template": template, "max_length": max_length}
    own = {
        "collection": collection, "corpus": corpus, "queries": queries, "qrels": qrels, "run": run,
        "split": split if split != _SPLIT else None, "language": language, "limit": limit, "fuse": fuse,
        "compare": compare, "first_stage_only": first_stage_only, "scores": scores, "again": again,
        "save_run": save_run, "html": html, "fail_under": fail_under, "fail_over": fail_over,
    }  # fmt: skip
    of_benchmark = {"task": task, "first_stage": first_stage, "keep": keep}
    if benchmark is not None:
        _refuse(own, "a benchmark brings its own collections and measures", "leave it out with --benchmark")
        from yesrank.cli.evaluation_benchmark import run_and_show

        entries = _entries(_models(model), precision or (None,), {"device": device})
        run_and_show(benchmark, entries, options, first_stage, task or (), keep, top_k=top_k, as_json=as_json)
        return
    _refuse(of_benchmark, "it belongs to a benchmark", "name one with --benchmark, or leave it out")
    if compare and (model or precision or first_stage_only):
        raise InputError(
            "compare", "it names the models itself", "leave out --model, --precision, --first-stage-only"
        )
    bounds = _bounds(fail_under or [], fail_over or [], compared=compare is not None)
    _check_targets(html)
    judged = _collection(collection, (corpus, queries, qrels), split).first(limit)
    contenders = (
        [] if first_stage_only else _contenders(compare or _models(model), precision or (None,), options)
    )
    found = _measure(
        judged, _first_stage(judged, run, language), contenders, scores, top_k=top_k, fusion=fuse, again=again
    )
    comparison = _comparison(found) if compare else None
    _show(found, comparison, save_run, html, as_json=as_json)
    _hold(bounds, found, comparison)


def _refuse(options: dict[str, Any], why: str, next_step: str) -> None:
    """Raises InputError for the first option that was given."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise InputError(name, why, next_step)


def _models(given: Sequence[str] | None) -> Sequence[str | None]:
    return given or (os.environ.get("YESRANK_MODEL"),)


def _measure(
    judged: "Collection",
    first: "FirstStage",
    contenders: "list[Contender]",
    scores: Path | None,
    *,
    top_k: int,
    fusion: float | None,
    again: bool,
) -> "Evaluation":
    from yesrank.cli.evaluation_progress import progress
    from yesrank.evaluate import ScoreStore, default_path, evaluate

    about = f"{judged.name}: {len(judged.documents)} documents, {len(judged.qrels)} judged queries"
    output.note(f"{about}; {first.how}", style="dim")
    with ScoreStore(scores or default_path()) as store:
        return evaluate(
            judged, first, contenders, store, top_k=top_k, fusion=fusion, again=again, bar=progress
        )


def _comparison(found: "Evaluation") -> "Comparison":
    from yesrank.evaluate.gate import compare

    one, other = (system for system in found.systems if system.model)
    return compare(one, other)


def _show(
    found: "Evaluation",
    comparison: "Comparison | None",
    runs: Path | None,
    report: Path | None,
    *,
    as_json: bool,
) -> None:
    from yesrank.cli.evaluation_output import as_data, save_runs, show_evaluation

    for note in found.notes:
        output.note(f"note: {note}")
    if runs:
        save_runs(runs, found)
    if report:
        _write_report(report, found, comparison)
    if as_json:
        output.show_json(as_data(found, comparison))
    else:
        show_evaluation(found, comparison)


def _hold(bounds: "list[Bound]", found: "Evaluation", comparison: "Comparison | None") -> None:
    """Raises VerificationFailed where a figure is outside its bound."""
    from yesrank.evaluate.bounds import broken

    if failures := broken(bounds, found, comparison):
        raise VerificationFailed("; ".join(failures), "the bounds are those of --fail-under and --fail-over")


def _collection(folder: Path | None, files: _Files, split: str) -> "Collection":
    from yesrank.evaluate import read_files, read_folder

    corpus, queries, qrels = files
    if folder is not None and not any(files):
        return read_folder(folder, split)
    if folder is None and corpus and queries and qrels:
        return read_files(corpus, queries, qrels)
    raise InputError(
        "collection", "it is not complete", "give a BEIR folder, or --corpus, --queries and --qrels"
    )


def _first_stage(collection: "Collection", run: Path | None, language: str | None) -> "FirstStage":
    from yesrank.evaluate import bm25, from_run

    return from_run(collection, run) if run else bm25(collection, language)


def _contenders(
    models: Sequence[str | None], precisions: Sequence[Precision | None], options: dict[str, Any]
) -> "list[Contender]":
    from yesrank.evaluate import contender

    entries = _entries(models, precisions, options)
    names = [entry.name for entry in entries]
    labels = [
        entry.name if names.count(entry.name) == 1 else f"{entry.name}@{entry.variant or entry.precision}"
        for entry in entries
    ]
    if len(set(labels)) < len(labels):
        labels = [f"{label} ({at})" for at, label in enumerate(labels, start=1)]
    return [contender(entry, label) for entry, label in zip(entries, labels, strict=True)]


def _entries(
    models: Sequence[str | None], precisions: Sequence[Precision | None], options: dict[str, Any]
) -> "list[Entry]":
    return [_entry(model, each, options) for model in models for each in precisions]


def _entry(model: str | None, precision: Precision | None, options: dict[str, Any]) -> "Entry":
    from yesrank.engine.onnx import VARIANTS
    from yesrank.store import resolve

    name, at, suffix = (model or "").rpartition("@")
    if at and suffix in VARIANTS and precision is None and (entry := _variant(name, suffix, options)):
        return entry
    if at and suffix in [*Precision] and precision is None:
        model, precision = name, Precision(suffix)
    return resolve(model).overridden(precision=precision, **options)


def _variant(model: str, suffix: str, options: dict[str, Any]) -> "Entry | None":
    """The entry for MODEL@VARIANT, where the model is an ONNX folder; int8 is a precision of others."""
    from yesrank.models.folder import open_model
    from yesrank.store import resolve

    entry = resolve(model)
    asks = entry.engine == "onnx" or entry.variant is not None or open_model(entry.path).kind == "onnx"
    return entry.overridden(variant=suffix, **options) if asks else None


def _bounds(under: Sequence[str], over: Sequence[str], *, compared: bool) -> "list[Bound]":
    from yesrank.evaluate.bounds import parse_bound

    return [
        *(parse_bound(text, compared=compared) for text in under),
        *(parse_bound(text, over=True, compared=compared) for text in over),
    ]


def _check_targets(html: Path | None) -> None:
    """Found out before hours of work, not after."""
    if html is not None and not html.absolute().parent.is_dir():
        raise InputError(
            "html", f"there is no folder {html.absolute().parent}", "make it first, or name another"
        )


def _write_report(path: Path, found: "Evaluation", comparison: "Comparison | None") -> None:
    from yesrank.evaluate.report import render

    try:
        path.write_text(render(found, comparison), encoding="utf-8")
    except OSError as error:
        raise InputError(
            "html", f"{path} cannot be written: {error.strerror}", "name another file"
        ) from error
    output.note(f"report: {path}")
