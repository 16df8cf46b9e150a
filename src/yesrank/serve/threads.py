"""Blocking calls off the event loop, on daemon threads: one that never returns cannot keep the process from ending."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(
    name: str, function: Callable[[], Result], *, lost: Callable[[Result], None] | None = None
) -> Result:
    """What function returns or raises, from a thread of its own. Cancelling stops the waiting, not the thread.

    lost: is given a result that nobody waits for any more, on a thread too; what it raises is forgotten. What is no
    Exception comes as a RuntimeError: as it is, it would end the task that waits, or could not be handed over.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def forget(result: Result) -> None:
        if lost is not None:
            with suppress(Exception):
                lost(result)

    def drop(result: Result) -> None:
        if lost is not None:
            start_thread(name, lambda: forget(result))

    def settle(result: Result | None, error: Exception | None) -> None:
        if not future.done() and error is not None:
            future.set_exception(error)
        elif not future.done():
            future.set_result(result)  # type: ignore[arg-type]  # None only where Result is None
        elif error is None:
            drop(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as caught:  # handed over to the waiting task
            error = _plain(caught)
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            if error is None:
                forget(result)  # type: ignore[arg-type]

    start_thread(name, run)
    try:
        return await future
    except asyncio.CancelledError:
        # the result may have come in the very turn in which the task was cancelled
        if future.done() and not future.cancelled() and future.exception() is None:
            drop(future.result())
        raise


def start_thread(name: str, function: Callable[[], None]) -> None:
    """Runs function on a daemon thread."""
    threading.Thread(target=function, name=name, daemon=True).start()


def _plain(error: BaseException) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    found = RuntimeError(f"{type(error).__name__}: {error}")
    found.__cause__ = error
    return found
