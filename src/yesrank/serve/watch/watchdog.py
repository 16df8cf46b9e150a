"""Ends a process whose event loop stands still, so that its supervisor starts another.

A loop that does not turn answers nobody, not even /health, and cannot end itself. The thread here asks it for a sign
of life at each tick, and counts its own ticks without one, not seconds: while the machine sleeps, or the process is
stopped or gets no processor, there are no ticks either. A call into a library that never gives Python's lock back stops
this thread as well; only a probe from outside finds that.
"""

import asyncio
import logging
import os
import sys
import threading
import traceback
from types import FrameType, TracebackType
from typing import Self

from yesrank.serve.watch import logs

FROZEN = 70
"""The exit code."""
_TICKS = 20  # without a sign of life
_LAST_WORDS = 2.0  # seconds for the log: what froze the loop may be a reader of the log that reads no more
_FRAMES = 30


class Watchdog:
    """`with Watchdog(seconds) as dog: dog.watch(loop)`; after the block nothing is watched. seconds: 0 for never."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call on the loop's own thread, once."""
        if self._seconds > 0:
            arguments = loop, threading.get_ident()
            self._thread = threading.Thread(target=self._run, args=arguments, name="watchdog", daemon=True)
            self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        turned = threading.Event()
        turned.set()
        silent = 0
        while not self._over.wait(self._seconds / _TICKS):
            silent = 0 if turned.is_set() else silent + 1
            if silent >= _TICKS:
                self._end(thread)
            if not silent:
                turned.clear()
                try:
                    loop.call_soon_threadsafe(turned.set)
                except RuntimeError:  # it is closed
                    return

    def _end(self, thread: int) -> None:
        frame = sys._current_frames().get(thread)
        facts = {"seconds": self._seconds, "where": stack(frame)}
        # on another thread: the one that stands still may hold the lock of the log
        words = threading.Thread(target=_tell, args=(facts,), name="watchdog-log", daemon=True)
        words.start()
        words.join(_LAST_WORDS)
        os._exit(FROZEN)


def stack(frame: FrameType | None) -> list[str]:
    """The innermost places of a thread's stack: files, lines and names of functions, no values."""
    places = traceback.walk_stack(frame) if frame is not None else iter(())
    found = [f"{logs.short(each.f_code.co_filename)}:{line} {each.f_code.co_name}" for each, line in places]
    return found[:_FRAMES][::-1]


def _tell(facts: dict[str, object]) -> None:
    logs.LOGGER.critical("the event loop stands still: the process ends", extra={"fields": facts})
    logging.shutdown()
