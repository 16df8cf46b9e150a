"""The one thread on which engines run, and what becomes of a call that fails or never ends."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from yesrank.errors import EngineError, InputError
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.queueing import Queue
from yesrank.serve.queue.work import Job, Model, Part, Turn
from yesrank.serve.watch.observe import TurnReport
from yesrank.types import FloatArray

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the scheduler wants to hear. Called on the engine thread, or on the caller's for `give_up_if_hung`."""

    turn: Callable[[TurnReport], None]
    broken: Callable[[Model, str], None]


class EngineThread:
    """Takes turns from the queue and runs them until the queue is closed or the thread is given up.

    After every failure a fixed pair is scored: a model that cannot do that is broken and has to be loaded anew; where
    it can, the request is at fault. The parts of a failed turn run again alone, once, so that only the guilty fails.
    """

    def __init__(self, queue: Queue, limits: Limits, hooks: Hooks) -> None:
        self._queue, self._limits, self._hooks = queue, limits, hooks
        self._claim = threading.Lock()
        self._current: tuple[Turn, float] | None = None
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="yesrank-engine", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Waits for the thread to end, after the queue was closed."""
        self._thread.join(seconds)

    def give_up_if_hung(self) -> bool:
        """Where the current turn has taken too long: settles it as failed and leaves the thread to itself.

        The thread is a daemon: if its call ever returns, it ends without touching anything.
        """
        with self._claim:
            if self._current is None:
                return False
            turn, since = self._current
            seconds = time.monotonic() - since
            if seconds < self._limits.patience(turn.tokens):
                return False
            self._current, self._given_up = None, True
        _log.error("model %s: no answer in %.0f s: the call is given up", turn.model.name, seconds)
        error = EngineError(f"the engine gave no answer in {seconds:.0f} s")
        # a lone request that hangs is not tried again: every try costs everyone the whole patience
        self._settle_failure(turn, error, seconds, broken="hang", last_try=True)
        return True

    def _run(self) -> None:
        while not self._given_up and (turn := self._queue.take()) is not None:
            if turn.parts:
                self._turn(turn)
            else:
                turn.model.keep(turn.keep, turn.begun)
            del turn  # waiting for the next one, the thread keeps no request's prompts in memory

    def _turn(self, turn: Turn) -> None:
        began = time.monotonic()
        with self._claim:
            self._current = turn, began
        result = _attempt(turn)
        seconds = time.monotonic() - began
        broken = "" if _is_clean(result) or turn.model.healthy() else "crash"
        with self._claim:
            if self._given_up:
                return
            self._current = None
        if isinstance(result, BaseException):
            last_try = turn.parts[0].alone or isinstance(result, InputError)
            self._settle_failure(turn, result, seconds, broken=broken, last_try=last_try)
        elif isinstance(result, int):
            self._settle_piece(turn, turn.parts[0], result, seconds)
        else:
            self._settle(turn, result, seconds, broken=broken)

    def _settle_piece(self, turn: Turn, part: Part, tokens: int, seconds: float) -> None:
        self._queue.went_on(part, tokens)
        if tokens:
            done = replace(turn, parts=(replace(part, tokens=tokens),))
            self._queue.measured(done, seconds)
            self._after(done, seconds, failed=False, broken="")
        part.job.inference_seconds += seconds

    def _settle(self, turn: Turn, logits: FloatArray, seconds: float, *, broken: str) -> None:
        self._queue.measured(turn, seconds)
        self._after(turn, seconds, failed=not _is_clean(logits), broken=broken)
        begin = 0
        for part in turn.parts:
            end = begin + part.end - part.begin
            part.job.inference_seconds += seconds
            self._keep(part, logits[begin:end])
            begin = end

    def _keep(self, part: Part, logits: FloatArray) -> None:
        job, wrong = part.job, int((~np.isfinite(logits.reshape(len(logits), -1)).all(axis=1)).sum())
        if wrong:
            error = EngineError(
                f"the engine returned NaN or infinity for {wrong} documents",
                "the model folder may be damaged: yesrank verify FOLDER, or try precision f32",
            )
            self._finish(job, error)
            return
        job.keep(part.begin, part.end, logits)
        if not job.missing:
            self._finish(job)

    def _settle_failure(
        self, turn: Turn, error: BaseException, seconds: float, *, broken: str, last_try: bool
    ) -> None:
        if not isinstance(error, InputError):  # raised before anything was computed
            self._queue.lost(turn.model)
        self._after(turn, seconds, failed=True, broken=broken)
        for part in turn.parts:
            part.job.inference_seconds += seconds
        if len(turn.parts) == 1 and last_try:
            self._finish(turn.parts[0].job, error)
            return
        if turn.piece is not None:  # its job waits as before
            self._queue.went_on(turn.piece, 0)
            return
        self._queue.put_back(turn.parts)

    def _after(self, turn: Turn, seconds: float, *, failed: bool, broken: str) -> None:
        if broken:
            self._queue.pause(turn.model)  # before the next turn is taken
            self._queue.lost(turn.model)
            self._hooks.broken(turn.model, broken)
        requests = len({id(part.job) for part in turn.parts})
        fill = turn.tokens / self._limits.turn_tokens
        self._hooks.turn(
            TurnReport(turn.model.name, requests, turn.documents, turn.tokens, fill, seconds, failed)
        )

    def _finish(self, job: Job, error: BaseException | None = None) -> None:
        job.error = error
        if self._queue.remove(job):
            job.finish(job)


def _attempt(turn: Turn) -> FloatArray | int | BaseException:
    """The logits of a turn; how many tokens were computed, of one that computes a piece."""
    try:
        turn.model.keep(turn.keep, turn.begun)
        if (part := turn.piece) is not None:
            return turn.model.begin(part.job.plan.prompts[part.begin], part.tokens)
        logits = turn.model.logits(turn.prompts)
    except BaseException as error:  # whatever it is, the thread has to live on
        kind = type(error).__name__
        _log.warning("model %s: %s in a call of %d documents", turn.model.name, kind, turn.documents)
        return error
    if logits.shape[:1] != (turn.documents,) or logits.ndim > 2:
        return EngineError(f"the engine returned {logits.shape} for {turn.documents} documents")
    return logits


def _is_clean(result: FloatArray | int | BaseException) -> bool:
    """InputError is the caller's doing and says nothing about the engine."""
    if isinstance(result, BaseException):
        return isinstance(result, InputError)
    return bool(np.isfinite(result).all())
