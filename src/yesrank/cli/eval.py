"""`yesrank eval`: how good is the ranking on a collection with known answers?"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from yesrank.cli import eval_models, output
from yesrank.cli.eval_checks import check_combination, check_report
from yesrank.cli.eval_options import (
    SPLIT,
    AgainOption,
    BenchmarkOption,
    CompareOption,
    CorpusOption,
    FailOverOption,
    FailUnderOption,
    FirstStageOnlyOption,
    FirstStageOption,
    FolderArgument,
    FuseOption,
    HtmlOption,
    KeepOption,
    KeepOwnOption,
    LanguageOption,
    LimitOption,
    ModelsOption,
    PrecisionsOption,
    QrelsOption,
    QueriesOption,
    RunOption,
    SaveRunOption,
    ScoresOption,
    SplitOption,
    TaskOption,
    TopKOption,
)
from yesrank.cli.options import DeviceOption, InstructionOption, JsonOption, MaxLengthOption, TemplateOption
from yesrank.errors import InputError, VerificationFailed

if TYPE_CHECKING:
    from yesrank.evaluate import Collection, Contender, Evaluation, FirstStage
    from yesrank.evaluate.bounds import Bound
    from yesrank.evaluate.gate import Comparison


def eval(
    collection: FolderArgument = None,
    *,
    split: SplitOption = SPLIT,
    corpus: CorpusOption = None,
    queries: QueriesOption = None,
    qrels: QrelsOption = None,
    run: RunOption = None,
    language: LanguageOption = None,
    keep_own_id: KeepOwnOption = False,
    model: ModelsOption = None,
    precision: PrecisionsOption = None,
    first_stage_only: FirstStageOnlyOption = False,
    compare: CompareOption = None,
    device: DeviceOption = None,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    top_k: TopKOption = 100,
    limit: LimitOption = None,
    fuse: FuseOption = None,
    scores: ScoresOption = None,
    again: AgainOption = False,
    save_run: SaveRunOption = None,
    html: HtmlOption = None,
    fail_under: FailUnderOption = None,
    fail_over: FailOverOption = None,
    benchmark: BenchmarkOption = None,
    task: TaskOption = None,
    first_stage: FirstStageOption = None,
    keep: KeepOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure ranking quality on a collection with judgments, first stage and reranked side by side.

    Scores are kept as they are computed: a stopped run goes on where it was. With --compare, two models or
    precisions are also compared with each other on the same candidates.
    """
    check_combination(locals())
    options = {"device": device, "instruction": instruction, "template": template, "max_length": max_length}
    if benchmark is not None:
        from yesrank.cli.evaluation_benchmark import run_and_show

        entries = eval_models.entries(eval_models.named(model), precision or (None,), {"device": device})
        run_and_show(benchmark, entries, options, first_stage, task or (), keep, top_k=top_k, as_json=as_json)
        return
    bounds = _bounds(fail_under or [], fail_over or [], compared=compare is not None)
    if html:
        check_report(html)
    judged = _collection(collection, split, corpus, queries, qrels).first(limit)
    if instruction is not None:
        judged = judged.without_instructions()
    models = () if first_stage_only else compare or eval_models.named(model)
    contenders = eval_models.contenders(models, precision or (None,), options)
    first = _first_stage(judged, run, language, contenders, keep_own_id=keep_own_id)
    if save_run:
        _check_runs(save_run, first, contenders, run, fusion=fuse)
    told = _tell(judged, first)
    found = _measure(judged, first, contenders, scores, top_k=top_k, fusion=fuse, again=again)
    comparison = _comparison(found) if compare else None
    for note in found.notes[told:]:
        output.note(f"note: {note}")
    _show(found, comparison, save_run, html, as_json=as_json)
    _hold(bounds, found, comparison)


def _bounds(under: Sequence[str], over: Sequence[str], *, compared: bool) -> "list[Bound]":
    from yesrank.evaluate.bounds import parse_bound

    return [
        *(parse_bound(text, compared=compared) for text in under),
        *(parse_bound(text, over=True, compared=compared) for text in over),
    ]


def _collection(
    folder: Path | None, split: str, corpus: Path | None, queries: Path | None, qrels: Path | None
) -> "Collection":
    from yesrank.evaluate import read_files, read_folder

    if folder is not None:
        return read_folder(folder, split)
    if corpus and queries and qrels:
        return read_files(corpus, queries, qrels)
    files = {"--corpus": corpus, "--queries": queries, "--qrels": qrels}
    missing = (
        ", ".join(name for name, path in files.items() if path is None) if any(files.values()) else "folder"
    )
    raise InputError(
        "collection",
        f"it is not complete: there is no {missing}",
        "give a BEIR folder, or --corpus, --queries and --qrels",
    )


def _first_stage(
    collection: "Collection",
    run: Path | None,
    language: str | None,
    contenders: "Sequence[Contender]",
    *,
    keep_own_id: bool,
) -> "FirstStage":
    from yesrank.evaluate import bm25, from_run

    if run:
        found = from_run(collection, run, keep_own_id=keep_own_id)
    else:
        found = bm25(collection, language, keep_own_id=keep_own_id)
    # a run that one of the models made before: each line of the table has a name of its own
    known = found.name in {each.label for each in contenders}
    return replace(found, name=f"{found.name} (run)") if known else found


def _check_runs(
    folder: Path,
    first: "FirstStage",
    contenders: "Sequence[Contender]",
    run: Path | None,
    *,
    fusion: float | None,
) -> None:
    from yesrank.cli.eval_checks import check_run_folder
    from yesrank.evaluate.run import labels
    from yesrank.evaluate.trec import check_ids

    check_ids(first.run)
    check_run_folder(folder, labels(first, contenders, fused=fusion is not None), run)


def _tell(judged: "Collection", first: "FirstStage") -> int:
    """What is odd about the files, before the hours that it may spoil. Returns how many notes there are of it."""
    about = f"{judged.name}: {len(judged.documents)} documents, {len(judged.qrels)} judged queries"
    output.note(f"{about}; {first.how}", style="dim")
    notes = (*judged.notes, *first.notes)
    for note in notes:
        output.note(f"note: {note}")
    return len(notes)


def _measure(
    judged: "Collection",
    first: "FirstStage",
    contenders: "Sequence[Contender]",
    scores: Path | None,
    *,
    top_k: int,
    fusion: float | None,
    again: bool,
) -> "Evaluation":
    from yesrank.cli.evaluation_progress import progress
    from yesrank.evaluate import ScoreStore, default_path, evaluate

    # without models there is nothing to keep, and no need for a folder that can be written
    with ScoreStore(scores or default_path()) if contenders else nullcontext() as store:
        try:
            return evaluate(
                judged, first, contenders, store, top_k=top_k, fusion=fusion, again=again, bar=progress
            )
        except KeyboardInterrupt:
            output.note("stopped; the scores so far are kept: the same command goes on from there")
            raise


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
    from yesrank.cli.evaluation_output import as_data, save_runs, show_evaluation, write_report

    if runs:
        save_runs(runs, found)
    if report:
        write_report(report, found, comparison)
    if as_json:
        output.show_json(as_data(found, comparison))
    else:
        show_evaluation(found, comparison)


def _hold(bounds: "list[Bound]", found: "Evaluation", comparison: "Comparison | None") -> None:
    """Raises VerificationFailed where a figure is outside its bound."""
    from yesrank.evaluate.bounds import broken

    if failures := broken(bounds, found, comparison):
        raise VerificationFailed("; ".join(failures), "the bounds are those of --fail-under and --fail-over")
