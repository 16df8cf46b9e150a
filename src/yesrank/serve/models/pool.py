"""Names -> loaded models: on first use, until they are idle too long or their memory is needed."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from yesrank.errors import ModelError, ModelNotFound
from yesrank.models.folder import builtin_folder
from yesrank.models.windows import Windows
from yesrank.serve.models.failure import folder_marks
from yesrank.serve.models.handle import Handle, ModelSpec, Opener, RerankerOpener
from yesrank.serve.models.keeper import Keeper, Means
from yesrank.serve.models.memory import available_memory, needed_memory
from yesrank.serve.models.room import Room
from yesrank.serve.models.tokenizing import tokenize
from yesrank.serve.queue.scheduler import Scheduler
from yesrank.serve.requests import RerankRequest
from yesrank.serve.watch.observe import Observer, Silent, State
from yesrank.types import EngineInfo

__all__ = ["Handle", "ModelSpec", "ModelStatus", "Pool", "PoolOptions", "self_test"]

_log = logging.getLogger(__name__)
_TOKENIZER_THREADS = 2


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """idle_seconds: unused models are unloaded after so long, None for never. open: spec -> loaded model.

    available, needed: bytes that are free, and that a model will take. look: spec -> another value when the folder was
    changed.
    """

    idle_seconds: float | None = None
    open: Opener = field(default_factory=RerankerOpener)
    available: Callable[[], int] = available_memory
    needed: Callable[[ModelSpec], int] = lambda spec: needed_memory(
        spec.path or builtin_folder(), spec.precision, engine=spec.engine, variant=spec.variant
    )
    look: Callable[[ModelSpec], Hashable] = folder_marks


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as /v1/models and metrics show it. reason: why it failed, for clients; info: None unless it is loaded."""

    name: str
    aliases: tuple[str, ...]
    state: State
    reason: str
    info: EngineInfo | None


class Pool:
    """The models of one server. Every method is called on one event loop; loading runs on threads.

    The first spec is the default model. A load that failed is tried again at a later use: see Failure.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], options: PoolOptions | None = None, observer: Observer | None = None
    ) -> None:
        """Raises ModelError for no specs, or a name or alias that stands for two models."""
        self._options = options or PoolOptions()
        room = Room(self._options.available, self._options.needed)
        means = Means(self._options.open, self._options.look, room.place, observer or Silent())
        self._keepers = room.keepers = [Keeper(spec, means) for spec in specs]
        self._names = _by_name(self._keepers)
        self._tokenizers = ThreadPoolExecutor(_TOKENIZER_THREADS, thread_name_prefix="yesrank-tokenize")
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

        deadline: on the loop's clock. Raises ModelNotFound, or what Keeper.lease raises.
        """
        keeper = self._keeper(name)
        await keeper.lease(deadline)
        try:
            yield keeper.handle
        finally:
            keeper.handle.release()

    async def get(self, name: str | None = None, *, deadline: float | None = None) -> Handle:
        """As `use`, without keeping it: the model may be unloaded at the next await."""
        async with self.use(name, deadline=deadline) as handle:
            return handle

    def find(self, name: str | None = None) -> Handle:
        """The model of a name or alias, loaded or not. Raises ModelNotFound."""
        return self._keeper(name).handle

    def first(self, *, embeds: bool) -> Handle | None:
        """The first model that embeds, or that ranks; None where there is none."""
        handles = (keeper.handle for keeper in self._keepers)
        return next((handle for handle in handles if handle.spec.embeds == embeds), None)

    @property
    def tokenizers(self) -> ThreadPoolExecutor:
        """The threads on which texts become token ids."""
        return self._tokenizers

    async def load(self, name: str | None = None) -> None:
        """Loads a model now. Raises as `get`."""
        await self.get(name)

    async def unload(self, name: str | None = None) -> None:
        """Frees a model after the requests that use it are finished; those that come meanwhile load it again.

        Raises ModelNotFound.
        """
        await self._keeper(name).unload()

    async def prompts(self, handle: Handle, request: RerankRequest) -> Windows:
        """The request's texts as token ids, a prompt or several a document, in order. Raises as tokenize."""
        if handle.scorer is not None:
            return await tokenize(handle.scorer, request, self._tokenizers)
        async with self.use(handle.name):  # its engine broke, and is being replaced
            return await tokenize(handle.loaded, request, self._tokenizers)

    def states(self) -> list[ModelStatus]:
        """All models in the order given."""
        return [_status(keeper) for keeper in self._keepers]

    async def close(self) -> None:
        """Frees all models, except those whose engine is still in a call. Close the scheduler first."""
        if self._idle_task is not None:
            self._idle_task.cancel()
            await asyncio.gather(self._idle_task, return_exceptions=True)
        await asyncio.gather(*(keeper.close() for keeper in self._keepers))
        self._tokenizers.shutdown(wait=False, cancel_futures=True)

    def _keeper(self, name: str | None) -> Keeper:
        if name is None:
            return self._keepers[0]
        try:
            return self._names[name]
        except KeyError:
            known = ", ".join(keeper.handle.name for keeper in self._keepers)
            raise ModelNotFound(f"there is no model of that name; there are: {known}") from None

    async def _unload_idle(self) -> None:
        seconds = self._options.idle_seconds or math.inf
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(5.0, seconds / 4))
            for keeper in self._keepers:
                if keeper.idle and loop.time() - keeper.handle.used_at > seconds:
                    _log.info("model %s is unloaded: not used for %.0f s", keeper.handle.name, seconds)
                    keeper.dismiss()


def _status(keeper: Keeper) -> ModelStatus:
    handle, failure = keeper.handle, keeper.failure
    return ModelStatus(
        handle.name,
        handle.spec.aliases,
        handle.state,
        failure.reason if failure is not None and handle.state is State.FAILED else "",
        handle.scorer.info if handle.scorer is not None else None,
    )


async def self_test(handle: Handle, scheduler: Scheduler, *, deadline: float | None = None) -> None:
    """Scores a fixed pair on the way that all requests go. Raises as Scheduler.score, EngineError for NaN."""
    await scheduler.score(handle, handle.probe, deadline=deadline)


def _by_name(keepers: Sequence[Keeper]) -> dict[str, Keeper]:
    names: dict[str, Keeper] = {}
    for keeper in keepers:
        for name in (keeper.handle.name, *keeper.handle.spec.aliases):
            if names.setdefault(name, keeper) is not keeper:
                raise ModelError(
                    f"the name {name} stands for two models", "yesrank list shows names and aliases"
                )
    if not keepers:
        raise ModelError("there is no model to serve", "add one: yesrank add NAME --model-path FOLDER")
    return names
