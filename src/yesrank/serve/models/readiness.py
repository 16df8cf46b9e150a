"""Whether the server can do its work: shown by a scored pair, not by an open port."""

import asyncio

import numpy as np

from yesrank.errors import ServerError
from yesrank.serve.models.pool import Pool
from yesrank.serve.queue.scheduler import Scheduler
from yesrank.serve.requests import RerankRequest
from yesrank.serve.watch.observe import State

_PAIR = RerankRequest("self-test", ("What is the capital of France?",), ("The capital of France is Paris.",))
_LOADING = "the default model is being loaded and tested"


class Readiness:
    """The self-test of the default model. A test that failed is made again when somebody asks."""

    def __init__(self, pool: Pool, scheduler: Scheduler) -> None:
        self._pool, self._scheduler = pool, scheduler
        self._passed, self._reason = False, _LOADING
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Starts the test, unless it runs."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._test())

    def problem(self) -> str | None:
        """Why the server is not ready; None when it is. A model that was unloaded when idle counts as ready."""
        if self._scheduler.snapshot().draining:
            return "the server is shutting down"
        if not self._passed:
            return self._reason
        status = self._pool.states()[0]
        return f"the default model cannot be used: {status.reason}" if status.state is State.FAILED else None

    def ask(self) -> str | None:
        """As `problem`; sees to it that a test runs where one is needed."""
        found = self.problem()
        if found is not None and not self._scheduler.snapshot().draining:
            self._passed = False
            self.begin()
        return found

    async def close(self) -> None:
        """Ends a test that runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _test(self) -> None:
        try:
            async with self._pool.use() as handle:
                prompts = await self._pool.prompts(handle, _PAIR)
                answer = await self._scheduler.score(handle, prompts.prompts)
        except ServerError as error:
            self._reason = f"the default model is not ready: {error.message}"
            return
        except Exception as error:  # whatever it is, the reason must not stay at "is being loaded"
            # the message may hold paths: the log has it, this page has the kind
            self._reason = f"the self-test of the default model failed with {type(error).__name__}"
            return
        self._passed = bool(np.isfinite(answer.logits).all())
        self._reason = "the self-test gave no finite score"
