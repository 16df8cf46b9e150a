"""The published benchmarks, run as their authors ran them: candidates, reranking and averages, by mteb's evaluate()."""

import copy
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yesrank.errors import InputError
from yesrank.evaluate.mteb_candidates import Candidates, Replay, check_candidates, digest, reaching
from yesrank.evaluate.mteb_model import (
    MtebReranker,
    published,
    require_mteb,
    source_name,
    task_instruction,
)
from yesrank.evaluate.scorestore import ScoreStore

FIRST_STAGE = "Qwen/Qwen3-Embedding-0.6B"
TOP_K = 100

Note = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A column of the published table: a benchmark of mteb with the type of task that counts, or one task alone."""

    mteb: str
    tasks: int
    type: str | None = "Retrieval"
    alone: bool = False


BENCHMARKS = {
    "MTEB-R": Benchmark("MTEB(eng, v2)", 10),
    "CMTEB-R": Benchmark("MTEB(cmn, v1)", 8),
    "MMTEB-R": Benchmark("MTEB(Multilingual, v2)", 18),
    "MLDR": Benchmark("MultiLongDocRetrieval", 1, alone=True),
    "MTEB-Code": Benchmark("MTEB(Code, v1)", 12),
    "FollowIR": Benchmark("FollowIR", 3, type=None),
}


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task. first_stage, reranked: mean over subsets of the main score x 100. seconds: spent on reranking."""

    task: str
    metric: str
    split: str
    subsets: int
    instruction: str
    first_stage: float
    reranked: float
    seconds: float


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """Figures of a benchmark beside the published ones (by row of their table, x 100).

    complete: whether every task of the benchmark was run, without which the averages compare with nothing.
    """

    benchmark: str
    model: str
    revision: str
    precision: str
    first_stage_name: str
    top_k: int
    tasks: tuple[TaskScore, ...]
    first_stage: float
    reranked: float
    complete: bool
    published: dict[str, float]
    published_model: str | None
    notes: tuple[str, ...]

    @property
    def published_figure(self) -> float | None:
        """The published figure of the very model that was run, where there is one."""
        return self.published.get(self.published_model) if self.published_model else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "published_figure": self.published_figure}

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table for people: what, first stage, reranked, published."""
        figure, stage = self.published_figure, self.published.get(FIRST_STAGE.rsplit("/", 1)[-1])
        rows = [(score.task, f"{score.first_stage:.2f}", f"{score.reranked:.2f}", "") for score in self.tasks]
        name = "average" if self.complete else f"average of {len(self.tasks)} tasks, not of the benchmark"
        known = f"{figure:.2f}" if figure is not None else "none for this model"
        rows.append((name, f"{self.first_stage:.2f}", f"{self.reranked:.2f}", known))
        if stage is not None:
            rows.append(("published first stage", f"{stage:.2f}", "", ""))
        return rows


def run_benchmark(
    name: str,
    model: MtebReranker,
    *,
    first_stage: str | Path = FIRST_STAGE,
    output: str | Path | None = None,
    tasks: Sequence[str] = (),
    top_k: int = TOP_K,
    note: Note = lambda _text: None,
    progress: bool = False,
) -> BenchmarkReport:
    """Runs both stages of a published benchmark.

    model: from MtebReranker.open, which has the official settings. first_stage: a folder of predictions by mteb, or
    the name of an embedding model. output: a folder that keeps predictions and results, so that a stopped run goes
    on where it was; None keeps nothing. tasks: only these. note: told what happens. progress: a bar on stderr.
    Raises MissingExtra, InputError, EngineError, or YesrankError where data cannot be downloaded.
    """
    chosen = select_tasks(name, tasks)
    scores, notes, stage = run_tasks(
        chosen, model, first_stage, output=output, top_k=top_k, note=note, progress=progress
    )
    expected = BENCHMARKS[name].tasks
    if not tasks and len(chosen) != expected:
        notes.append(f"this mteb lists {len(chosen)} tasks, the published figure is over {expected}")
    meta, rows = model.mteb_model_meta, published()["figures"]["rows"]
    source = source_name(model.reranker)
    return BenchmarkReport(
        benchmark=name,
        model=str(meta.name),
        revision=str(meta.revision),
        precision=model.reranker.info.precision,
        first_stage_name=stage,
        top_k=top_k,
        tasks=tuple(scores),
        first_stage=_mean(score.first_stage for score in scores),
        reranked=_mean(score.reranked for score in scores),
        complete=len(scores) == expected,
        published={row: figures[name] for row, figures in rows.items()},
        published_model=source if source in rows else None,
        notes=tuple(notes),
    )


def run_tasks(
    tasks: Sequence[Any],
    model: MtebReranker,
    first_stage: str | Path,
    *,
    output: str | Path | None = None,
    top_k: int = TOP_K,
    note: Note = lambda _text: None,
    progress: bool = False,
) -> tuple[list[TaskScore], list[str], str]:
    """Both stages of any retrieval tasks of mteb: their scores, notes, and the name of the first stage."""
    if top_k < 1:
        raise InputError("top_k", f"must be 1 or more, not {top_k}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary if output is None else output)
        candidates = Candidates(first_stage, folder / "first-stage")
        scores, notes = [], []
        for number, task in enumerate(tasks, 1):
            note(f"{task.metadata.name} ({number} of {len(tasks)})")
            # load_data and filter_eval_splits change a task, and mteb hands out the same objects again
            score, found = _run_task(copy.copy(task), model, candidates, folder, top_k, progress)
            note(f"{score.task}: {score.metric} {score.first_stage:.2f} -> {score.reranked:.2f}")
            scores.append(score)
            notes += found
    return scores, notes, candidates.name


def select_tasks(name: str, tasks: Sequence[str] = ()) -> list[Any]:
    """The tasks of a benchmark, or some of them. Raises InputError for unknown ones, MissingExtra without mteb."""
    if name not in BENCHMARKS:
        raise InputError("benchmark", f"{name!r} is not known", f"use one of: {', '.join(BENCHMARKS)}")
    mteb, benchmark = require_mteb(), BENCHMARKS[name]
    every = (
        mteb.get_tasks(tasks=[benchmark.mteb])
        if benchmark.alone
        else mteb.get_benchmark(benchmark.mteb).tasks
    )
    found = [task for task in every if benchmark.type in (None, task.metadata.type)]
    names = [task.metadata.name for task in found]
    unknown = [task for task in tasks if task not in names]
    if unknown:
        raise InputError("tasks", f"{name} has no {', '.join(unknown)}", f"use some of: {', '.join(names)}")
    return [task for task in found if not tasks or task.metadata.name in tasks]


def _run_task(
    task: Any, model: MtebReranker, candidates: Candidates, folder: Path, top_k: int, progress: bool
) -> tuple[TaskScore, list[str]]:
    _load(task)
    try:
        path = candidates.predictions(task)
        # before the reranking, which may take days, so that whatever else a task downloads to compute its score is
        # seen to be missing now
        first = reaching(
            f"what task {task.metadata.name} computes its score from",
            lambda: _evaluate(task, Replay(path, top_k), cache=None),
        )
        task.convert_to_reranking(path, top_k=top_k)
        notes = check_candidates(task)
        name = f"{model.mteb_model_meta.name}@{model.reranker.info.precision}".replace("/", "__")
        begin = time.monotonic()
        with ScoreStore(folder / "scores.sqlite") as store:
            reranked = _evaluate(
                task,
                model.in_run(store, candidates=digest(path), top_k=str(top_k)),
                cache=require_mteb().ResultCache(cache_path=folder / "results"),
                prediction_folder=folder / "reranked" / name,
                encode_kwargs={"show_progress_bar": progress},
            )
        return _score(task, model, first, reranked, time.monotonic() - begin), notes
    finally:
        task.unload_data()


def _load(task: Any) -> None:
    """The task's data, of its first split only: the others do not count in the official averages."""
    data = task.metadata.dataset
    task.filter_eval_splits([task.eval_splits[0]])
    reaching(f"the data of task {task.metadata.name} ({data['path']} at {data['revision']})", task.load_data)
    task.convert_v1_dataset_format_to_v2(None)
    # some tasks load whatever they have; predictions are asked for what is evaluated
    task.dataset = {
        subset: {split: data for split, data in splits.items() if split in task.eval_splits}
        for subset, splits in task.dataset.items()
        if subset in task.hf_subsets or subset == "default"
    }


def _evaluate(task: Any, model: Any, **options: Any) -> list[float]:
    """The main score of every subset, as mteb computes it."""
    found = require_mteb().evaluate(model, task, show_progress_bar=False, co2_tracker=False, **options)
    return [float(scores["main_score"]) for scores in found.task_results[0].scores[task.eval_splits[0]]]


def _score(
    task: Any, model: MtebReranker, first: list[float], reranked: list[float], seconds: float
) -> TaskScore:
    return TaskScore(
        task=task.metadata.name,
        metric=task.metadata.main_score,
        split=task.eval_splits[0],
        subsets=len(reranked),
        instruction=task_instruction(task.metadata, model.instructions),
        first_stage=100 * _mean(first),
        reranked=100 * _mean(reranked),
        seconds=round(seconds, 1),
    )


def _mean(values: Iterable[float]) -> float:
    held = list(values)
    return sum(held) / len(held) if held else 0.0
