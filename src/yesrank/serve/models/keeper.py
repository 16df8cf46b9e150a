"""One model's life: loaded when it is wanted, replaced when it breaks, freed when nobody uses it.

Others leave a wish and wait in a line; one task alone, the keeper's, looks at the wishes and does one thing at a time.
So no change can meet another, nobody waits for a task of somebody else's, and after every change all whom it concerns
are called. Who waited for a load gets a lease in the moment in which it ends: nobody can take the model away before he
has had it. Who wishes it unloaded is served after those: what comes later has to wait for the next load.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from yesrank.errors import Draining, ModelLoading, ServerError
from yesrank.serve.models.failure import Failure
from yesrank.serve.models.handle import Handle, ModelSpec, Opener, Scorer
from yesrank.serve.models.line import Line, is_called
from yesrank.serve.threads import in_thread
from yesrank.serve.watch.observe import Observer, State
from yesrank.types import Prompt

_log = logging.getLogger(__name__)
_LOAD_SECONDS = 1800.0  # far longer than any load takes: others wait for their turn to load
_PATIENCE = 10.0  # seconds for what should take none: looking at a folder, closing an engine
_LOOK_SECONDS = 1.0  # between two looks at a folder that could not be loaded
_RETRY_AFTER = 5.0  # seconds: about what a small model takes to load
_PROBE = ("which animal says meow?", ["A cat says meow."])
_LOADED = (State.READY, State.UNLOADING)


@dataclass(frozen=True, slots=True)
class Means:
    """What a keeper works with. open: spec -> loaded model; look: spec -> what changes when its folder does.

    room: held while a model is loaded; raises where there is no memory for it.
    """

    open: Opener
    look: Callable[[ModelSpec], Hashable]
    room: Callable[[Handle], AbstractAsyncContextManager[None]]
    observer: Observer


class Keeper:
    """Every method is called on one event loop. The task begins with the first wish."""

    def __init__(self, spec: ModelSpec, means: Means) -> None:
        self.handle = Handle(spec, self._look_up, self._reload)
        self.failure: Failure | None = None
        self._means = means
        self._wanted, self._unwanted, self._broken = Line(), Line(), Line()
        self._dismissed = False  # to be unloaded as soon as the leases are over
        self._abandoned = False  # a hung call holds the engine
        self._closed = False
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Loaded, and nobody uses it."""
        return self.handle.state is State.READY and not self.handle.leases

    async def lease(self, deadline: float | None = None) -> None:
        """Returns when the model is loaded, with a lease, which is the caller's to release.

        deadline: on the loop's clock. Raises ModelLoading when it passes first, ModelUnavailable (or ModelLoading
        where others hold the memory) for a load that failed, Draining after `close`.
        """
        self._check_open()
        if self.handle.state is State.READY:
            self.handle.acquire()
            return
        ticket = self._wanted.join()
        self._look_up()
        try:
            async with asyncio.timeout_at(deadline):
                await ticket
        except BaseException as error:
            if is_called(ticket):  # it was called and cancelled in the same turn of the loop
                self.handle.release()
            if isinstance(error, TimeoutError):
                message = f"the model {self.handle.name} is still loading"
                raise ModelLoading(message, retry_after=_RETRY_AFTER) from None
            raise
        finally:
            self._wanted.leave(ticket)

    def dismiss(self) -> None:
        """From here on nobody gets the model; it is freed when those who have it have released it."""
        if self.handle.state is State.READY:
            self._state(State.UNLOADING)
        self._dismissed = self.handle.state in (*_LOADED, State.LOADING)
        self._look_up()

    async def unload(self) -> None:
        """As `dismiss`, and waits for it. Who wants the model meanwhile has it loaded again afterwards."""
        self.dismiss()
        if self._dismissed and not self._closed:
            await self._wait_in(self._unwanted)

    async def close(self) -> None:
        """Ends the task and frees the model, leases or not; whoever waits gets Draining."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._refuse_all(_draining)
        await self._free()
        self.handle.state = State.UNLOADED
        self._unwanted.call()

    async def _reload(self, abandoned: bool) -> None:
        """A broken engine gives way to a fresh one, leases or not. Raises as `lease`."""
        self._check_open()
        if self.handle.scorer is not None:
            self._abandoned = self._abandoned or abandoned
        await self._wait_in(self._broken)

    async def _wait_in(self, line: Line) -> None:
        ticket = line.join()
        self._look_up()
        try:
            await ticket
        finally:
            line.leave(ticket)

    def _look_up(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._ended)
        self._something.set()

    async def _run(self) -> None:
        while True:
            self._something.clear()
            if not await self._act():
                await self._something.wait()

    async def _act(self) -> bool:
        """Does the first thing that is due; False where there is none. What it did is not due any more."""
        handle, state = self.handle, self.handle.state
        if state is State.UNLOADING and not handle.leases:
            await self._unload()
        elif self._broken and state in _LOADED:
            await self._load()
        elif self._broken and state is State.UNLOADED:
            self._broken.call()  # nothing is left to be replaced
        elif (self._wanted or self._broken) and state in (State.UNLOADED, State.FAILED):
            await self._load_unless_too_soon()
        else:
            return False
        return True

    async def _unload(self) -> None:
        await self._free()
        self._dismissed = False
        self._state(State.UNLOADED)
        self._unwanted.call()

    async def _load_unless_too_soon(self) -> None:
        failure = self.failure
        if failure is not None and not await self._is_due(failure):
            self._refuse_all(lambda: failure.error(_now()))
        else:
            await self._load()

    async def _is_due(self, failure: Failure) -> bool:
        """Whether the time is over, or the folder is another one than that which could not be loaded."""
        if (now := _now()) >= failure.retry_at:
            return True
        if now < failure.looked_at + _LOOK_SECONDS:
            return False
        self.failure = failure.looked(now)
        return None not in (seen := await self._look(), failure.seen) and seen != failure.seen

    async def _load(self) -> None:
        self._state(State.LOADING)
        await self._free()  # of a broken engine, there is something to free
        seen: Hashable = None
        try:
            seen = await self._look()
            async with self._means.room(self.handle):
                scorer, probe = await self._open()
        except Exception as error:  # whatever it is, those who wait have to be told
            self._failed(error, seen)
        else:
            self._loaded(scorer, probe)

    def _loaded(self, scorer: Scorer, probe: tuple[Prompt, ...]) -> None:
        handle = self.handle
        handle.scorer, handle.probe, handle.used_at, self.failure = scorer, probe, _now(), None
        self._state(State.READY)
        self._wanted.call(handle.acquire)
        self._broken.call()
        if self._dismissed:
            self._state(State.UNLOADING)

    def _failed(self, error: Exception, seen: Hashable) -> None:
        self.failure = failure = Failure.of(self.handle.name, error, self.failure, seen, _now())
        wait = failure.retry_at - _now()
        _log.error(
            "model %s: cannot be loaded, next attempt in %.0f s: %s", failure.name, wait, failure.detail
        )
        self._dismissed = False
        self._refuse_all(lambda: failure.error(_now()))
        self._unwanted.call()
        self._state(State.FAILED)

    async def _look(self) -> Hashable:
        """The folder's marks; None where they cannot be had in time: a network's disk may hang."""
        spec, look = self.handle.spec, self._means.look
        try:
            async with asyncio.timeout(_PATIENCE):
                return await in_thread("yesrank-look", lambda: look(spec))
        except Exception:
            return None

    async def _open(self) -> tuple[Scorer, tuple[Prompt, ...]]:
        spec, opener = self.handle.spec, self._means.open
        async with asyncio.timeout(_LOAD_SECONDS):
            return await in_thread(
                "yesrank-load", lambda: _open(opener, spec), lost=lambda opened: opened[0].close()
            )

    async def _free(self) -> None:
        """Closes the engine. One that is in a call ends with it: if that is long, or hangs, it is not waited for."""
        scorer, self.handle.scorer = self.handle.scorer, None
        abandoned, self._abandoned = self._abandoned, False
        if scorer is None:
            return
        try:
            async with asyncio.timeout(0 if abandoned else _PATIENCE):
                await in_thread("yesrank-close", scorer.close)
        except TimeoutError:
            _log.warning("model %s: its memory is freed when its last call ends", self.handle.name)
        except Exception as error:
            _log.error("model %s: closing it failed with %s", self.handle.name, type(error).__name__)

    def _refuse_all(self, error: Callable[[], ServerError]) -> None:
        self._wanted.fail(error)
        self._broken.fail(error)

    def _check_open(self) -> None:
        if self._closed:
            raise _draining()

    def _state(self, state: State) -> None:
        self.handle.state = state
        self._means.observer.state(self.handle.name, state)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A mistake of ours must not leave anybody waiting for ever: the next wish begins anew."""
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("model %s: its keeper failed", self.handle.name, exc_info=error)
            self._failed(RuntimeError("its keeper failed"), None)


def _open(opener: Opener, spec: ModelSpec) -> tuple[Scorer, tuple[Prompt, ...]]:
    scorer = opener(spec)
    try:
        return scorer, tuple(scorer.prompts(_PROBE[0], _PROBE[1]))
    except BaseException:
        scorer.close()
        raise


def _draining() -> Draining:
    return Draining("the server is shutting down", retry_after=1.0)


def _now() -> float:
    return asyncio.get_running_loop().time()
