"""Memory for models: one is loaded at a time, and others make room for it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from yesrank.errors import ModelLoading, NoMemory, YesrankError
from yesrank.serve.models.handle import Handle, ModelSpec
from yesrank.serve.models.keeper import Keeper

_log = logging.getLogger(__name__)


class Room:
    """available, needed: bytes that are free, and that a model will take. keepers: of all models."""

    def __init__(self, available: Callable[[], int], needed: Callable[[ModelSpec], int]) -> None:
        self._available, self._needed = available, needed
        self.keepers: Sequence[Keeper] = ()
        self._one_at_a_time = asyncio.Lock()  # so that the estimate of free memory holds

    @asynccontextmanager
    async def place(self, handle: Handle) -> AsyncIterator[None]:
        """Held while a model is loaded. Raises ModelLoading where others use the memory, NoMemory where nobody does.

        Whoever holds it waits for nothing but engines that nobody uses, which are closed within a given time.
        """
        async with self._one_at_a_time:
            await self._make(handle)
            yield

    async def _make(self, handle: Handle) -> None:
        """Unloads models that nobody uses, least recently used first."""
        needed = self._needed(handle.spec)
        while (available := self._available()) < needed:
            others = [keeper for keeper in self.keepers if keeper.handle is not handle]
            idle = [keeper for keeper in others if keeper.idle]
            if not idle:
                busy = any(keeper.handle.scorer is not None for keeper in others)
                raise _no_room(handle.name, needed, available, busy=busy)
            oldest = min(idle, key=lambda keeper: keeper.handle.used_at)
            _log.info("model %s is unloaded: %s needs its memory", oldest.handle.name, handle.name)
            await oldest.unload()


def _no_room(name: str, needed: int, available: int, *, busy: bool) -> YesrankError:
    if busy:
        return ModelLoading(f"the model {name} has to wait for memory that other models use")
    message = (
        f"the model {name} needs about {needed / 1e9:.1f} GB of memory; {available / 1e9:.1f} GB are free"
    )
    return NoMemory(message, "use a smaller model or int8 weights, or close other programs")
