"""A thread for what coroutines ask of an engine: their loop goes on, and who is cancelled leaves no work behind."""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

from yesrank.errors import EngineError

Result = TypeVar("Result")
Check = Callable[[], None]
"""Ends the work, by an exception, where nobody waits for it any more. To be called now and then."""


class Background:
    """One thread, made at its first use: an engine does one thing at a time, and more would only wait for it.

    The loop's own threads are left alone: a few long requests would take all of them.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._lock, self._closed = Lock(), False

    async def run(self, work: Callable[[Check], Result]) -> Result:
        """What `work` returns or raises, after what was asked for before it.

        Cancelled while it waits, it is never begun; later, it ends at its next check. Raises EngineError after `close`.
        """
        left = Event()

        def check() -> None:
            if left.is_set():
                raise CancelledError

        future = self._open().submit(work, check)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            left.set()
            task = asyncio.current_task()
            if self._closed and (task is None or not task.cancelling()):
                raise _closed() from None
            raise

    def close(self) -> None:
        """Takes nothing more, drops what waits, and waits for what runs."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)

    def _open(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._closed:
                raise _closed()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(1, thread_name_prefix="yesrank-async")
            return self._threads


def _closed() -> EngineError:
    return EngineError("the reranker is closed", "open it anew")
