"""A fine-tuning from end to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from training.finetune import card, export, ranking
from training.finetune.data import Data, read
from training.finetune.examples import Example, counts
from training.finetune.hardware import Hardware, choose
from training.finetune.loop import Group, Loop, Plan, Progress
from training.finetune.loss import Figures
from training.finetune.mining import sift
from training.finetune.ranker import LARGE, Ranker
from training.finetune.runfolder import RunFolder
from training.finetune.settings import Settings
from yesrank import qwen3
from yesrank.asking import asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.convert.staging import staged
from yesrank.errors import ModelNotFound
from yesrank.store.resolve import HUB_ID
from yesrank.tokens import PromptEncoder

_KEPT = 16  # mined negatives of a query that are left after sifting
_EPOCHS, _RANK = 2.0, 16
_RATE, _LARGE_FULL_RATE = 2e-4, 1e-5
_TELL_EVERY = 100  # queries; as often, what was found is kept
_UNCHANGED = (
    "No look at the held-out groups was better than the start, so the weights are those of the source."
)


def run(settings: Settings) -> None:
    """Fine-tunes, and writes `settings.out`. Raises YesrankError, or loop.Stopped where asked to stop."""
    hardware = choose(settings.device, settings.precision)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    source = find_checkpoint(settings.model)
    asking_of(source)  # what could not be loaded afterwards, such as an embedding model, is refused
    checkpoint = Checkpoint(source)
    shapes = qwen3.tensors(checkpoint.config)
    data = read(settings, PromptEncoder.from_folder(source))
    with closing(RunFolder(settings.out, settings.identity(), restart=settings.restart)) as folder:
        for note in data.notes:
            folder.note("note", note)
        torch.manual_seed(settings.seed)
        method = Method.of(settings, sum(map(math.prod, shapes.values())))
        job = _Job(settings, source, method, hardware, data, folder)
        job.finish(*job.train())
        folder.remove()


def find_checkpoint(model: str) -> Path:
    """The folder of a checkpoint: given as a path, or as owner/name of the Hugging Face hub. Raises ModelError."""
    path = Path(model).expanduser()
    if path.exists():
        return path
    if not HUB_ID.fullmatch(model):
        raise ModelNotFound(
            f"there is no folder {model}",
            "give the folder of a checkpoint, or a name such as Qwen/Qwen3-Reranker-0.6B",
        )
    from yesrank.store import hub

    repository = hub.look_up(model)
    return hub.cached(model) if repository is None else hub.download(repository)


@dataclass(frozen=True, slots=True)
class Method:
    """rank: of the adapters, or None for all weights."""

    rank: int | None
    rate: float

    @classmethod
    def of(cls, settings: Settings, size: int) -> Method:
        """What was asked for, or what suits a model of so many parameters."""
        large = size > LARGE
        rank = settings.lora or (None if settings.full or not large else _RANK)
        return cls(rank, settings.lr or (_LARGE_FULL_RATE if large and not rank else _RATE))

    def __str__(self) -> str:
        kind = f"LoRA of rank {self.rank} on every matrix of the layers" if self.rank else "all weights"
        return f"{kind}, learning rate {self.rate:g}"


@dataclass(slots=True)
class _Job:
    settings: Settings
    source: Path
    method: Method
    hardware: Hardware
    data: Data
    folder: RunFolder

    def train(self) -> tuple[Loop, ranking.Task | None]:
        """From the source to the best weights; they are in the loop's ranker."""
        settings = self.settings
        if settings.mine != "none":
            self._mine()
        task = ranking.Task.read(settings.eval, settings.eval_top_k) if settings.eval else None
        ranker = Ranker(self.source, self.hardware, rank=self.method.rank)
        trained = sum(each.numel() for each in ranker.trained().values())
        text = f"{self.method}; {trained:,} parameters are trained of {ranker.size:,}; {self.hardware}"
        self.folder.note("model", text, source=settings.model)
        if settings.mine == "self":
            self._sift(ranker)
        if task and self.folder.facts("ranking") is None:
            self.folder.note("ranking", f"scoring {task.pairs} documents of {task.collection.name}")
            self.folder.keep("ranking", ranking.reranked(task, ranker, self._prompts()))
        held_out = self.data.groups.held_out(self.data.held_out)
        loop = Loop(ranker, self._plan(), held_out, self.folder)
        if loop.progress.step == 0:
            self._judge_start(loop)
        loop.train(self.data.groups.training(self.data.training, settings.batch, loop.progress.step))
        loop.restore_best()
        return loop, task

    def finish(self, loop: Loop, task: ranking.Task | None) -> None:
        """Writes the folder, measures what was written, and only then shows it."""
        with staged(self.settings.out, export.needed_bytes(self.source)) as target:
            unchanged = loop.best_is_start
            export.write(self.source, target, {} if unchanged else loop.ranker.weights())
            peak, held_out, progress = self.hardware.peak_bytes(), loop.held_out, loop.progress
            loop.free()  # the trained model need not stay beside the written one
            ranker = Ranker(target, self.hardware, frozen=True)
            after = Figures.of(torch.tensor(ranker.score(group)) for group in held_out) if held_out else None
            found = self._measure(ranker, task) if task else None
            if unchanged:
                self.data.notes.append(_UNCHANGED)
                self.folder.note("note", _UNCHANGED)
            result = self._result(progress, peak, after, found)
            (target / "README.md").write_text(card.text(result), encoding="utf-8")
            step = progress.best_step if after else progress.step
            self.folder.note(
                "done", f"{self.settings.out}: weights of step {step}", step=step, peak_bytes=peak,
                held_out=after and after.values(), collection=found,
            )  # fmt: skip
            self.folder.copy_log(target)

    def _result(
        self, progress: Progress, peak: int, after: Figures | None, found: dict[str, object] | None
    ) -> card.Result:
        before = self.folder.facts("before")
        return card.Result(
            settings=self.settings,
            method=str(self.method),
            hardware=str(self.hardware),
            data={"training": counts(self.data.training), "held out": counts(self.data.held_out)},
            documents=len(self.data.pool.documents),
            progress=progress,
            peak_bytes=peak,
            before=Figures(**before) if before else None,
            after=after,
            collection=found,
            notes=self.data.notes,
        )

    def _mine(self) -> None:
        pairs = len(self.data.training) + len(self.data.held_out)
        documents = len(self.data.pool.documents)
        self.folder.note("mining", f"BM25 looks for negatives of {pairs} pairs among {documents} documents")
        self.data.mine()

    def _sift(self, ranker: Ranker) -> None:
        """The model's own opinion of BM25's hits. Held-out groups keep BM25's: the start would look perfect there."""
        known: list[Sequence[int]] = self.folder.facts("mined") or []
        pairs = self.data.training
        for example in pairs[len(known) :]:
            if len(known) % _TELL_EVERY == 0:
                self.folder.keep("mined", known)
                text = f"the model looks at its negatives: {len(known)} of {len(pairs)} pairs"
                self.folder.note("mining", text)
            known.append(sift(example, ScoreGroup(ranker, self.data), self.settings.guard, _KEPT).mined)
        self.folder.keep("mined", known)
        fewer = self.data.mined(known)
        self.folder.note("mining", f"{fewer} of BM25's were left out: too much like an answer, or too easy")

    def _plan(self) -> Plan:
        settings, pairs = self.settings, len(self.data.training)
        steps = settings.steps
        if steps is None and settings.minutes is None:
            steps = math.ceil((settings.epochs or _EPOCHS) * pairs / settings.batch)
        seconds = settings.minutes * 60 if settings.minutes else None
        length = f"{steps} steps" if steps else f"{settings.minutes:g} minutes"
        text = f"{pairs} pairs to train on, {len(self.data.held_out)} held out; {length}"
        self.folder.note("plan", text, steps=steps, seconds=seconds)
        return Plan(self.method.rate, settings.bce, settings.evaluations, settings.save_every, steps, seconds)

    def _judge_start(self, loop: Loop) -> None:
        """The start is the first candidate for the best weights."""
        if loop.held_out:
            figures = loop.figures()
            self.folder.keep("before", figures.values())
            loop.progress.best_loss = figures.loss
            self.folder.note("held out", f"step 0: held out: {figures}", step=0, **figures.values())

    def _measure(self, ranker: Ranker, task: ranking.Task) -> dict[str, object]:
        after = ranking.reranked(task, ranker, self._prompts())
        found = ranking.summary(task, self.folder.facts("ranking"), after)
        means = {name: found[name][0] for name in ("BM25", "before", "after")}  # type: ignore[index]
        text = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.folder.note("ranking", f"nDCG@10 on {task.collection.name}: {text}")
        return found

    def _prompts(self) -> ranking.Prompts:
        groups = self.data.groups
        return ranking.Prompts(groups.encoder, groups.template, self.settings.instruction, groups.max_length)


@dataclass(frozen=True, slots=True)
class ScoreGroup:
    """The model as mining.sift calls it."""

    ranker: Ranker
    data: Data

    def __call__(self, example: Example, places: Sequence[int]) -> list[float]:
        group: Group = self.data.groups.prompts(example, places)
        found: list[float] = torch.tensor(self.ranker.score(group), dtype=torch.float64).sigmoid().tolist()
        return found
