"""A fine-tuning from end to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from training.finetune import card, export, ranking
from training.finetune.examples import Example, Pool, build, counts, split, without
from training.finetune.groups import Groups
from training.finetune.hardware import Hardware, choose
from training.finetune.loop import Loop, Plan
from training.finetune.loss import Figures
from training.finetune.mining import mine_bm25, sift
from training.finetune.pairs import read_corpus, read_sources
from training.finetune.ranker import LARGE, Ranker
from training.finetune.runfolder import RunFolder
from training.finetune.settings import Settings
from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.staging import staged
from yesrank.errors import ModelNotFound
from yesrank.evaluate.words import detect
from yesrank.prompt import template_named
from yesrank.store.resolve import HUB_ID
from yesrank.tokens import PromptEncoder

_KEPT = 16  # mined negatives of a query that are left after sifting
_EPOCHS, _RANK = 2.0, 16
_RATE, _LARGE_FULL_RATE = 2e-4, 1e-5
_TELL_EVERY = 500  # queries


@dataclass(slots=True)
class Data:
    """What is trained on and what is held out. notes: what is odd, with counts."""

    pool: Pool
    training: list[Example]
    held_out: list[Example]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Method:
    """rank: of the adapters, or None for all weights."""

    rank: int | None
    rate: float

    def __str__(self) -> str:
        kind = f"LoRA of rank {self.rank} on every matrix of the layers" if self.rank else "all weights"
        return f"{kind}, learning rate {self.rate:g}"


def run(settings: Settings) -> None:
    """Fine-tunes, and writes `settings.out`. Raises YesrankError, or Stopped where asked to stop."""
    hardware = choose(settings.device, settings.precision)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    source = find_checkpoint(settings.model)
    checkpoint = Checkpoint(source)
    method = _method(settings, sum(map(math.prod, qwen3.tensors(checkpoint.config).values())))
    groups, data = _prepare(settings, PromptEncoder.from_folder(source))
    with closing(RunFolder(settings.out, settings.identity(), restart=settings.restart)) as folder:
        for note in data.notes:
            folder.note("note", note)
        torch.manual_seed(settings.seed)
        job = _Job(settings, source, method, hardware, groups, data, folder)
        job.train()
        job.finish()
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


def _method(settings: Settings, size: int) -> Method:
    large = size > LARGE
    rank = settings.lora or (None if settings.full or not large else _RANK)
    return Method(rank, settings.lr or (_LARGE_FULL_RATE if large and not rank else _RATE))


def _prepare(settings: Settings, encoder: PromptEncoder) -> tuple[Groups, Data]:
    """Reads everything, before anything is computed that takes long."""
    source = read_sources(settings.pairs, split=settings.split, positive_from=settings.positive_from)
    pool = Pool()
    examples, notes = build(pool, source.lines, settings.instruction)
    if settings.dev_file:
        held_source = read_sources([settings.dev_file], positive_from=settings.positive_from)
        held_out, more = build(pool, held_source.lines, settings.instruction)
        training = without(examples, held_out)
        notes += [*held_source.notes, *more]
        if len(training) < len(examples):
            notes.append(
                f"dev: {len(examples) - len(training)} pairs have a held-out query and are not trained on"
            )
    else:
        training, held_out = split(examples, settings.dev_share, settings.seed)
    corpus = [*source.corpus, *(read_corpus(settings.corpus) if settings.corpus else ())]
    for text in corpus:
        pool.add(text)
    template = template_named(settings.template)
    groups = Groups(pool, encoder, template, settings.max_length, settings.negatives, settings.seed)
    groups.check([*training, *held_out])
    return groups, Data(pool, training, held_out, [*source.notes, *notes])


@dataclass(slots=True)
class _Job:
    settings: Settings
    source: Path
    method: Method
    hardware: Hardware
    groups: Groups
    data: Data
    folder: RunFolder
    task: ranking.Task | None = None
    loop: Loop | None = None

    def train(self) -> None:
        """From the source to the best weights, in `loop`."""
        self._mine()
        if self.settings.eval:
            self.task = ranking.Task.read(self.settings.eval, self.settings.eval_top_k)
        ranker = Ranker(self.source, self.hardware, rank=self.method.rank)
        trained = sum(each.numel() for each in ranker.trained().values())
        text = f"{self.method}; {trained:,} parameters are trained of {ranker.size:,}; {self.hardware}"
        self.folder.note("model", text, source=self.settings.model)
        if self.settings.mine == "self":
            self._sift(ranker)
        held_out = self.groups.held_out(self.data.held_out)
        self._measure_before(ranker)
        self.loop = Loop(ranker, self._plan(), held_out, self.folder)
        self._judge_start()
        batches = self.groups.training(self.data.training, self.settings.batch, self.loop.progress.step)
        self.loop.train(batches)
        self.loop.restore_best()

    def finish(self) -> None:
        """Writes the folder, and measures what was written."""
        assert self.loop is not None
        loop, out = self.loop, self.settings.out
        with staged(out, export.needed_bytes(self.source)) as target:
            unchanged = loop.progress.best_loss is not None and loop.progress.best_step == 0
            export.write(self.source, target, {} if unchanged else loop.ranker.weights())
            peak = self.hardware.peak_bytes()
            held_out, progress = loop.held_out, loop.progress
            self.loop = None
            del loop  # the trained model need not stay beside the written one
            ranker = Ranker(target, self.hardware, frozen=True)
            after = _figures(ranker, held_out)
            found = self._measure_after(ranker)
            if unchanged:
                self.data.notes.append(
                    "No look at the held-out groups was better than the start: weights unchanged."
                )
            result = card.Result(
                settings=self.settings,
                method=str(self.method),
                hardware=str(self.hardware),
                data={"training": counts(self.data.training), "held out": counts(self.data.held_out)},
                documents=len(self.data.pool.documents),
                progress=progress,
                peak_bytes=peak,
                before=Figures(**before) if (before := self.folder.facts("before")) else None,
                after=after,
                collection=found,
                notes=self.data.notes,
            )
            (target / "README.md").write_text(card.text(result), encoding="utf-8")
            values = {"held_out": after.values() if after else None, "collection": found}
            text = f"written: {out} (weights of step {progress.best_step if after else progress.step})"
            self.folder.note("done", text, step=progress.step, peak_bytes=peak, **values)
            self.folder.copy_log(target)

    def _mine(self) -> None:
        if self.settings.mine == "none":
            return
        language = detect(self.data.pool.documents)
        both = [*self.data.training, *self.data.held_out]
        size = len(self.data.pool.documents)
        text = f"BM25 looks for negatives of {len(both)} pairs in {size} documents ({language})"
        self.folder.note("mining", text)
        both = mine_bm25(self.data.pool, both)
        self.data.training, self.data.held_out = (
            both[: len(self.data.training)],
            both[len(self.data.training) :],
        )

    def _sift(self, ranker: Ranker) -> None:
        """The model's own opinion of BM25's hits. Held-out groups keep BM25's: the start would look perfect there."""
        known = self.folder.facts("mined")
        if known is None:
            known = []
            for example in self.data.training:
                if len(known) % _TELL_EVERY == 0:
                    text = (
                        f"the model looks at its negatives: {len(known)} of {len(self.data.training)} pairs"
                    )
                    self.folder.note("mining", text)
                sifted = sift(
                    example, lambda *group: self._probabilities(ranker, *group), self.settings.guard, _KEPT
                )
                known.append(sifted.mined)
            self.folder.keep("mined", known)
        dropped = sum(len(each.mined) for each in self.data.training) - sum(map(len, known))
        self.folder.note(
            "mining", f"{dropped} mined negatives were dropped by the guard or for the better ones"
        )
        pairs = zip(self.data.training, known, strict=True)
        self.data.training = [replace(example, mined=tuple(mined)) for example, mined in pairs]

    def _probabilities(self, ranker: Ranker, example: Example, places: Sequence[int]) -> list[float]:
        logits = torch.tensor(ranker.score(self.groups.prompts(example, places)), dtype=torch.float64)
        found: list[float] = logits.sigmoid().tolist()
        return found

    def _plan(self) -> Plan:
        settings = self.settings
        steps = settings.steps
        if steps is None and settings.minutes is None:
            steps = math.ceil((settings.epochs or _EPOCHS) * len(self.data.training) / settings.batch)
        seconds = settings.minutes * 60 if settings.minutes else None
        text = f"{len(self.data.training)} pairs to train on, {len(self.data.held_out)} held out; "
        text += f"{steps} steps" if steps else f"{settings.minutes:g} minutes"
        self.folder.note("plan", text, steps=steps, seconds=seconds)
        return Plan(self.method.rate, settings.bce, settings.evaluations, settings.save_every, steps, seconds)

    def _judge_start(self) -> None:
        """The start is the first candidate for the best weights."""
        assert self.loop is not None
        if self.loop.held_out and self.loop.progress.step == 0 and self.loop.progress.best_loss is None:
            figures = self.loop.figures()
            self.folder.keep("before", figures.values())
            self.loop.progress.best_loss = figures.loss
            self.folder.note("held out", f"step 0: held out: {figures}", step=0, **figures.values())

    def _measure_before(self, ranker: Ranker) -> None:
        if self.task and self.folder.facts("ranking") is None:
            self.folder.note("ranking", f"scoring {self.task.pairs} documents of {self.task.collection.name}")
            self.folder.keep("ranking", ranking.reranked(self.task, ranker, self._prompts()))

    def _measure_after(self, ranker: Ranker) -> dict[str, object] | None:
        if self.task is None:
            return None
        after = ranking.reranked(self.task, ranker, self._prompts())
        found = ranking.summary(self.task, self.folder.facts("ranking"), after)
        means = {name: found[name][0] for name in ("BM25", "before", "after")}  # type: ignore[index]
        text = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.folder.note("ranking", f"nDCG@10 on {self.task.collection.name}: {text}")
        return found

    def _prompts(self) -> ranking.Prompts:
        groups = self.groups
        return ranking.Prompts(groups.encoder, groups.template, self.settings.instruction, groups.max_length)


def _figures(ranker: Ranker, held_out: Sequence[Sequence[object]]) -> Figures | None:
    if not held_out:
        return None
    return Figures.of(torch.tensor(ranker.score(group)) for group in held_out)  # type: ignore[arg-type]
