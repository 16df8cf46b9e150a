"""The training loop: steps, looks at held-out groups, saved state."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import FrameType

import torch

from training.finetune.errors import TrainingFailed
from training.finetune.loss import Figures, binary_loss, softmax_loss
from training.finetune.ranker import Ranker
from training.finetune.runfolder import RunFolder
from yesrank.types import Prompt

_WARM_UP, _FLOOR = 0.05, 0.05  # share of the run; share of the rate that is left at the end
_DECAY, _CLIP = 0.01, 1.0
_TELL_EVERY = 15.0  # seconds

Group = Sequence[Prompt]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how fast. One of steps and seconds is given. bce: weight of the binary loss."""

    rate: float
    bce: float
    evaluations: int
    save_every: float
    steps: int | None = None
    seconds: float | None = None

    def done(self, progress: Progress) -> float:
        """Share of the run, 0 to 1."""
        share = progress.step / self.steps if self.steps else progress.seconds / (self.seconds or 1)
        return min(1.0, share)

    def learning_rate(self, done: float) -> float:
        """Linear warm-up, then half a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        return self.rate * min(1.0, (done + 1e-3) / _WARM_UP) * (_FLOOR + (1 - _FLOOR) * cosine)


@dataclass(slots=True)
class Progress:
    """What has been done. best: held-out loss of the weights that are kept, and their step; 0 is the start."""

    step: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best_loss: float | None = None
    best_step: int = 0
    evaluations: list[tuple[int, float]] = field(default_factory=list)


class Stopped(Exception):
    """The run was asked to stop; its state is saved."""


class Loop:
    """A run over batches of groups. held_out: groups to judge by, perhaps none."""

    def __init__(self, ranker: Ranker, plan: Plan, held_out: Sequence[Group], run: RunFolder) -> None:
        self.ranker, self.plan, self.held_out, self.run = ranker, plan, held_out, run
        self.optimizer = _optimizer(ranker, plan.rate)
        self.progress = Progress()
        self._recent: list[tuple[float, float]] = []
        self._told = self._saved = time.monotonic()
        if state := run.load_state():
            self._restore(state)

    def train(self, batches: Iterator[list[list[Prompt]]]) -> Progress:
        """Runs to the end of the plan. batches: those from step `progress.step` on.

        Raises Stopped on SIGINT or SIGTERM, TrainingFailed where the loss is no number. Both leave a saved state.
        """
        clock = time.monotonic()
        with _stop_signals() as stop:
            while (done := self.plan.done(self.progress)) < 1:
                self._step(next(batches), done)
                now = time.monotonic()
                self.progress.seconds, clock = self.progress.seconds + now - clock, now
                after = self.plan.done(self.progress)
                if int(after * self.plan.evaluations) > int(done * self.plan.evaluations):
                    self._judge()
                self._tell(after)
                if stop or after >= 1 or time.monotonic() - self._saved > self.plan.save_every:
                    self._save()
                if stop and after < 1:
                    raise Stopped
        return self.progress

    def figures(self) -> Figures:
        """Held-out figures of the weights as they are."""
        return Figures.of(torch.tensor(self.ranker.score(group)) for group in self.held_out)

    @property
    def best_is_start(self) -> bool:
        """Whether no look at the held-out groups was better than the first."""
        return self.progress.best_loss is not None and self.progress.best_step == 0

    def restore_best(self) -> None:
        """Puts the kept weights into the model; those of the start are not kept, they are the source's."""
        if self.progress.best_step not in (0, self.progress.step) and (best := self.run.load_best()):
            _put(self.ranker, best["weights"])

    def free(self) -> None:
        """Lets go of the model and what belongs to it."""
        del self.ranker, self.optimizer

    def _step(self, batch: list[list[Prompt]], done: float) -> None:
        rate = self.plan.learning_rate(done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        right, total = 0, 0.0
        for prompts in batch:
            logits = self.ranker.logits(prompts)
            loss = softmax_loss(logits) + self.plan.bce * binary_loss(logits)
            (loss / len(batch)).backward()
            total += loss.item() / len(batch)
            right += int(logits.argmax()) == 0
            self.progress.tokens += sum(len(prompt) for prompt in prompts)
        if not math.isfinite(total):
            raise TrainingFailed(
                f"the loss is {total} at step {self.progress.step + 1}",
                "give a lower --lr; the same command goes on from the last saved state, --restart from the start",
            )
        torch.nn.utils.clip_grad_norm_(self.ranker.trained().values(), _CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.progress.step += 1
        self._recent.append((total, right / len(batch)))

    def _judge(self) -> None:
        """Looks at the held-out groups and keeps the weights where they are the best so far."""
        if not self.held_out:
            return
        started = time.monotonic()
        figures, progress = self.figures(), self.progress
        progress.evaluations.append((progress.step, figures.loss))
        better = progress.best_loss is None or figures.loss < progress.best_loss
        if better:
            progress.best_loss, progress.best_step = figures.loss, progress.step
            self.run.save_best({"weights": self._weights(), "loss": figures.loss, "step": progress.step})
        text = f"step {progress.step}: held out: {figures}{', best so far' if better else ''}"
        seconds = time.monotonic() - started
        self.run.note("held out", text, step=progress.step, best=better, seconds=seconds, **figures.values())

    def _tell(self, done: float) -> None:
        now = time.monotonic()
        if now - self._told < _TELL_EVERY and done < 1:
            return
        progress, self._told = self.progress, now
        loss, accuracy = (sum(each) / len(self._recent) for each in zip(*self._recent, strict=True))
        self._recent.clear()
        pace, rate = progress.seconds / progress.step, self.plan.learning_rate(done)
        left = progress.seconds * (1 - done) / done
        text = (
            f"step {progress.step}{f'/{self.plan.steps}' if self.plan.steps else ''}  loss {loss:.4f}  "
            f"accuracy {accuracy:.3f}  rate {rate:.1e}  {pace:.2f} s/step  {left / 60:.1f} min left"
        )
        values = {"loss": loss, "accuracy": accuracy, "rate": rate, "seconds": progress.seconds}
        self.run.note("step", text, step=progress.step, tokens=progress.tokens, **values)

    def _save(self) -> None:
        optimizer, progress = self.optimizer.state_dict(), asdict(self.progress)
        self.run.save_state({"weights": self._weights(), "optimizer": optimizer, "progress": progress})
        self._saved = time.monotonic()

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: each.detach() for name, each in self.ranker.trained().items()}

    def _remember_best(self) -> None:
        """Where the process was ended between the two files, the best weights are newer than the state."""
        best, known = self.run.load_best(), self.progress.best_loss
        if best and (known is None or best["loss"] < known):
            self.progress.best_loss, self.progress.best_step = best["loss"], best["step"]

    def _restore(self, state: dict[str, object]) -> None:
        _put(self.ranker, state["weights"])  # type: ignore[arg-type]
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.progress = Progress(**state["progress"])  # type: ignore[arg-type]
        self._remember_best()
        self.run.note("resumed", f"going on from step {self.progress.step}", step=self.progress.step)


def _optimizer(ranker: Ranker, rate: float) -> torch.optim.Optimizer:
    """AdamW; weight decay on the layers' matrices only."""
    trained = ranker.trained()
    decays = {name: each.ndim == 2 and ".layers." in name for name, each in trained.items()}
    kinds = [
        {"params": [each for name, each in trained.items() if decays[name]], "weight_decay": _DECAY},
        {"params": [each for name, each in trained.items() if not decays[name]], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([kind for kind in kinds if kind["params"]], lr=rate, betas=(0.9, 0.98))


@torch.no_grad()
def _put(ranker: Ranker, weights: dict[str, torch.Tensor]) -> None:
    for name, each in ranker.trained().items():
        each.copy_(weights[name])


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that is empty until the process is asked to stop; a second Ctrl-C ends it at once."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
