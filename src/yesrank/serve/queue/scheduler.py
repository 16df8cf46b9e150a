"""Requests of all clients -> turns of the one engine thread. Bounded, fair, and no request harms another."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from yesrank.errors import DeadlineExceeded, Draining, EngineError, ServerError, YesrankError
from yesrank.serve.queue.engine_thread import EngineThread, Hooks
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.queueing import Queue
from yesrank.serve.queue.work import Job, Model, Plan, plan
from yesrank.serve.watch.observe import Observer, Outcome, RequestReport, Silent, Snapshot
from yesrank.types import FloatArray, Prompt

_log = logging.getLogger(__name__)
_PLAN_HERE = 200  # prompts: fewer are sorted out in well under a millisecond, more on another thread
_JOIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The logits of a request, float32 [N] in the prompts' order, all finite; hidden states [N, D] of an embedder.

    tokens: computed or taken from the engine's cache, identical prompts and shared prefixes counted once.
    queue_seconds: until the first turn began; inference_seconds: the turns that it took part in, added up.
    """

    logits: FloatArray
    tokens: int
    queue_seconds: float
    inference_seconds: float


class Scheduler:
    """Use as `async with Scheduler(limits) as scheduler`, or call start and close, on one event loop.

    Every method is called on that loop. The observer is told what happens on its thread too.
    """

    def __init__(self, limits: Limits | None = None, observer: Observer | None = None) -> None:
        self._limits = limits or Limits()
        self._observer = observer or Silent()
        self._queue = Queue(self._limits)
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: EngineThread | None = None
        self._watch: asyncio.Task[None] | None = None
        self._reloads: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Starts the engine thread. Call on the running event loop, once."""
        self._loop = asyncio.get_running_loop()
        self._thread = self._new_thread()
        self._watch = self._loop.create_task(self._watch_for_hangs())

    async def score(
        self, model: Model, prompts: Sequence[Prompt], *, deadline: float | None = None
    ) -> Answer:
        """The logits of all prompts. deadline: a time of the loop's clock (`loop.time() + seconds`), or None.

        When the caller is cancelled, or the deadline passes, what has not begun is never run. Raises QueueFull,
        Draining, DeadlineExceeded, InputError for a prompt that the model cannot take, or EngineError; ModelError
        where the engine broke and the model could not be loaded again.
        """
        self.check()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        work = plan(prompts) if len(prompts) <= _PLAN_HERE else await asyncio.to_thread(plan, prompts)
        job = Job(model, work, finish=lambda job: self._call(self._resolve, job, future))
        outcome = Outcome.CANCELLED
        try:
            if work.prompts:
                self._add(job)
                async with asyncio.timeout_at(deadline):
                    await future
            outcome = Outcome.DONE
        except TimeoutError:
            outcome = Outcome.DEADLINE
            raise _too_late(job) from None
        except ServerError:
            outcome = Outcome.REFUSED
            raise
        except YesrankError:
            outcome = Outcome.FAILED
            raise
        finally:
            self._queue.remove(job)
            self._look_whether_idle()
            self._observer.request(_report(job, outcome))
        return Answer(job.logits[work.places], sum(work.costs), job.queue_seconds, job.inference_seconds)

    def check(self, tokens: int = 0) -> None:
        """Raises QueueFull or Draining where `score` would; call it before tokenising. tokens: a lower estimate."""
        if self._draining:
            raise Draining("the server is shutting down", retry_after=self._queue.retry_after())
        self._queue.check(tokens)

    def snapshot(self) -> Snapshot:
        """The queue at this moment, for gauges."""
        queue = self._queue
        return Snapshot(queue.requests, queue.tokens, queue.tokens_per_second, self._draining)

    async def drain(self) -> None:
        """Takes nothing new from now on, and returns when all that was accepted is finished."""
        self._draining = True
        self._look_whether_idle()
        await self._idle.wait()

    async def close(self) -> None:
        """Stops at once: what still waits fails with Draining. A second call does nothing."""
        self._draining = True
        for job in self._queue.remove_all():
            job.error = Draining("the server was shut down before this request was finished", retry_after=1.0)
            job.finish(job)
        self._queue.close()
        tasks = [task for task in (self._watch, *self._reloads) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watch = None
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS)
            self._thread = None

    def _add(self, job: Job) -> None:
        if self._draining:
            self.check()
        self._queue.add(job)
        self._idle.clear()

    def _look_whether_idle(self) -> None:
        if not self._queue.requests:
            self._idle.set()

    def _resolve(self, job: Job, future: "asyncio.Future[None]") -> None:
        if future.done():
            return
        if job.error is None:
            future.set_result(None)
        elif isinstance(job.error, YesrankError):
            future.set_exception(job.error)
        else:  # its own text may quote a document
            future.set_exception(EngineError(f"the engine failed with {type(job.error).__name__}"))

    def _new_thread(self) -> EngineThread:
        turn = lambda report: self._call(self._observer.turn, report)  # noqa: E731
        broken = lambda model, reason: self._call(self._start_reload, model, reason)  # noqa: E731
        return EngineThread(self._queue, self._limits, Hooks(turn, broken))

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Runs a function on the event loop's thread; forgets it where the loop is gone."""
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    async def _watch_for_hangs(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._limits.hang_seconds / 4))
            if self._thread is not None and self._thread.give_up_if_hung():
                self._thread = self._new_thread()

    def _start_reload(self, model: Model, reason: str) -> None:
        self._observer.reload(model.name, reason)
        task = asyncio.ensure_future(self._reload(model, reason))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self, model: Model, reason: str) -> None:
        _log.error("model %s: the engine is broken (%s) and is loaded anew", model.name, reason)
        try:
            await model.reload(abandoned=reason == "hang")
        except Exception as error:
            _log.exception("model %s: could not be loaded again", model.name)
            for job in self._queue.remove_all(model):
                job.error = error
                job.finish(job)
        self._queue.resume(model)


def _too_late(job: Job) -> DeadlineExceeded:
    done = len(job.plan.prompts) - job.missing
    return DeadlineExceeded(
        f"the time for this request is over: {done} of {len(job.plan.prompts)} documents were scored",
        "send fewer documents, or allow more time",
    )


def _report(job: Job, outcome: Outcome) -> RequestReport:
    work: Plan = job.plan
    return RequestReport(
        model=job.model.name,
        outcome=outcome,
        documents=len(work.places),
        distinct=len(work.prompts),
        tokens=sum(work.costs),
        queue_seconds=job.queue_seconds,
        inference_seconds=job.inference_seconds,
    )
