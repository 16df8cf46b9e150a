"""Names -> loaded models: on first use, until they are idle too long or their memory is needed."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from yesrank.errors import ModelError, ModelLoading, ModelNotFound, YesrankError
from yesrank.models.folder import builtin_folder
from yesrank.serve.handle import Handle, ModelSpec, Opener, Scorer, open_reranker
from yesrank.serve.memory import available_memory, needed_memory
from yesrank.serve.observe import Observer, Silent, State
from yesrank.serve.requests import RerankRequest
from yesrank.serve.scheduler import Scheduler
from yesrank.serve.threads import in_thread
from yesrank.serve.tokenizing import tokenize
from yesrank.types import EngineInfo, Prompt

__all__ = ["Handle", "ModelSpec", "ModelStatus", "Pool", "PoolOptions", "self_test"]

_log = logging.getLogger(__name__)
_TOKENIZER_THREADS = 2
_CLOSE_SECONDS = 10.0
_RETRY_AFTER = 5.0  # seconds: about what a small model takes to load
_PROBE = ("which animal says meow?", ["A cat says meow."])


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """idle_seconds: unused models are unloaded after so long, None for never. open: spec -> loaded model.

    available, needed: bytes that are free, and that a model will take.
    """

    idle_seconds: float | None = None
    open: Opener = open_reranker
    available: Callable[[], int] = available_memory
    needed: Callable[[ModelSpec], int] = lambda spec: needed_memory(
        spec.path or builtin_folder(), spec.precision, engine=spec.engine, variant=spec.variant
    )


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as /v1/models and metrics show it. reason: why it failed; info: None unless it is loaded."""

    name: str
    aliases: tuple[str, ...]
    state: State
    reason: str
    info: EngineInfo | None


class Pool:
    """The models of one server. Every method is called on one event loop; loading runs on threads.

    The first spec is the default model. A failed load is tried again at the next use.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], options: PoolOptions | None = None, observer: Observer | None = None
    ) -> None:
        """Raises ModelError for no specs, or a name or alias that stands for two models."""
        self._options = options or PoolOptions()
        self._observer = observer or Silent()
        self._handles = [Handle(spec, self._reload) for spec in specs]
        self._names = _by_name(self._handles)
        self._tokenizers = ThreadPoolExecutor(_TOKENIZER_THREADS, thread_name_prefix="yesrank-tokenize")
        self._one_at_a_time = asyncio.Lock()  # loads, so that the estimate of free memory holds
        self._idle_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begins to look for idle models. Call on the running event loop, once."""
        if self._options.idle_seconds is not None:
            self._idle_task = asyncio.get_running_loop().create_task(self._unload_idle())

    @asynccontextmanager
    async def use(self, name: str | None = None, *, deadline: float | None = None) -> AsyncIterator[Handle]:
        """The model of a name or alias (None: the default), loaded, and kept loaded inside the block.

        deadline: on the loop's clock. Raises ModelNotFound, ModelLoading when the deadline passes first, or what
        loading it raises.
        """
        handle = await self.get(name, deadline=deadline)
        handle.acquire()
        try:
            yield handle
        finally:
            handle.release()

    async def get(self, name: str | None = None, *, deadline: float | None = None) -> Handle:
        """As `use`, without keeping it: the model may be unloaded at the next await."""
        handle = self.find(name)
        while handle.state is not State.READY:
            if handle.change is None:
                self._change(handle, State.LOADING, self._load(handle))
            await self._wait_for_change(handle, deadline)
        handle.used_at = time.monotonic()
        return handle

    def find(self, name: str | None = None) -> Handle:
        """The model of a name or alias, loaded or not. Raises ModelNotFound."""
        if name is None:
            return self._handles[0]
        try:
            return self._names[name]
        except KeyError:
            known = ", ".join(handle.name for handle in self._handles)
            raise ModelNotFound(f"there is no model of that name; there are: {known}") from None

    async def load(self, name: str | None = None) -> None:
        """Loads a model now. Raises as `get`."""
        await self.get(name)

    async def unload(self, name: str | None = None) -> None:
        """Frees a model after the requests that use it are finished; those that come meanwhile load it again.

        Raises ModelNotFound.
        """
        handle = self.find(name)
        while handle.change is not None:
            await asyncio.wait([handle.change])
        if handle.scorer is not None:
            self._change(handle, State.UNLOADING, self._unload(handle))
            await self._wait_for_change(handle, None)

    async def prompts(self, handle: Handle, request: RerankRequest) -> list[Prompt]:
        """The request's texts as token ids, one prompt a document, in order. Raises InputError, see tokenize."""
        return await tokenize(handle.loaded, request, self._tokenizers)

    def states(self) -> list[ModelStatus]:
        """All models in the order given."""
        return [
            ModelStatus(
                handle.name,
                handle.spec.aliases,
                handle.state,
                handle.reason,
                handle.scorer.info if handle.scorer is not None else None,
            )
            for handle in self._handles
        ]

    async def close(self) -> None:
        """Frees all models, except those whose engine is still in a call. Close the scheduler first."""
        tasks = [task for task in (self._idle_task, *(handle.change for handle in self._handles)) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tokenizers.shutdown(wait=False, cancel_futures=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                for handle in self._handles:
                    await self._free(handle)

    def _change(self, handle: Handle, state: State, work: Coroutine[Any, Any, None]) -> None:
        """Starts a load, unload or reload; there is one at a time for each model, which all wait for."""

        def over(task: "asyncio.Task[None]") -> None:
            handle.change = None
            if not task.cancelled():
                task.exception()  # seen, even if nobody waits any more

        self._state(handle, state)  # before the task begins: nobody may get the model from here on
        handle.change = asyncio.get_running_loop().create_task(work)
        handle.change.add_done_callback(over)

    async def _wait_for_change(self, handle: Handle, deadline: float | None) -> None:
        assert handle.change is not None
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(handle.change)
        except TimeoutError:
            raise ModelLoading(
                f"the model {handle.name} is still loading", retry_after=_RETRY_AFTER
            ) from None

    async def _load(self, handle: Handle) -> None:
        try:
            async with self._one_at_a_time:
                await self._make_room(handle)
                scorer, handle.probe = await in_thread("yesrank-load", lambda: self._open(handle.spec))
        except Exception as error:
            handle.scorer = None
            known = isinstance(error, YesrankError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            _log.error("model %s: cannot be loaded: %s", handle.name, reason)
            self._state(handle, State.FAILED, reason)
            if known:
                raise
            raise ModelError(f"the model {handle.name} cannot be loaded: {reason}") from error
        handle.scorer, handle.used_at = scorer, time.monotonic()
        self._state(handle, State.READY)

    def _open(self, spec: ModelSpec) -> tuple[Scorer, tuple[Prompt, ...]]:
        scorer = self._options.open(spec)
        return scorer, tuple(scorer.prompts(_PROBE[0], _PROBE[1]))

    async def _reload(self, handle: Handle, abandoned: bool) -> None:
        async def work() -> None:
            if not abandoned and handle.scorer is not None:
                await in_thread("yesrank-close", handle.scorer.close)
            await self._load(handle)

        while handle.change is not None:
            await asyncio.wait([handle.change])
        self._change(handle, State.LOADING, work())
        await self._wait_for_change(handle, None)

    async def _unload(self, handle: Handle) -> None:
        if handle.leases:
            await handle.unused.wait()
        await self._free(handle)
        self._state(handle, State.UNLOADED)

    async def _free(self, handle: Handle) -> None:
        scorer, handle.scorer = handle.scorer, None
        if scorer is not None:
            await in_thread("yesrank-close", scorer.close)

    async def _make_room(self, handle: Handle) -> None:
        """Unloads models that nobody uses, least recently used first. Raises ModelLoading or ModelError."""
        needed = self._options.needed(handle.spec)
        while (available := self._options.available()) < needed:
            others = [other for other in self._handles if other is not handle and other.scorer is not None]
            free = [other for other in others if other.state is State.READY and not other.leases]
            if not free:
                raise _no_room(handle, needed, available, busy=bool(others))
            oldest = min(free, key=lambda other: other.used_at)
            _log.info("model %s is unloaded: %s needs its memory", oldest.name, handle.name)
            await self.unload(oldest.name)

    async def _unload_idle(self) -> None:
        seconds = self._options.idle_seconds or math.inf
        while True:
            await asyncio.sleep(min(5.0, seconds / 4))
            for handle in self._handles:
                idle = time.monotonic() - handle.used_at > seconds
                if idle and handle.state is State.READY and not handle.leases:
                    _log.info("model %s is unloaded: not used for %.0f s", handle.name, seconds)
                    await self.unload(handle.name)

    def _state(self, handle: Handle, state: State, reason: str = "") -> None:
        handle.state, handle.reason = state, reason
        self._observer.state(handle.name, state)


async def self_test(handle: Handle, scheduler: Scheduler, *, deadline: float | None = None) -> None:
    """Scores a fixed pair on the way that all requests go. Raises as Scheduler.score, EngineError for NaN."""
    await scheduler.score(handle, handle.probe, deadline=deadline)


def _no_room(handle: Handle, needed: int, available: int, *, busy: bool) -> YesrankError:
    message = f"the model {handle.name} needs about {needed / 1e9:.1f} GB of memory; {available / 1e9:.1f} GB are free"
    if busy:
        return ModelLoading(message, "other models are busy: try again later", retry_after=30.0)
    return ModelError(message, "use a smaller model or int8 weights, or close other programs")


def _by_name(handles: Sequence[Handle]) -> dict[str, Handle]:
    names: dict[str, Handle] = {}
    for handle in handles:
        for name in (handle.name, *handle.spec.aliases):
            if names.setdefault(name, handle) is not handle:
                raise ModelError(
                    f"the name {name} stands for two models", "yesrank list shows names and aliases"
                )
    if not handles:
        raise ModelError("there is no model to serve", "add one: yesrank add NAME --model-path FOLDER")
    return names
