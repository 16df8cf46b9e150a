"""The most memory that this process held while something ran."""

import os
import threading
from types import TracebackType
from typing import Self

import psutil


class PeakMemory:
    """Samples the resident size every few milliseconds inside a `with` block.

    start: bytes at the beginning; peak: the most bytes seen so far.
    """

    def __init__(self, interval: float = 0.005) -> None:
        self._process = psutil.Process(os.getpid())
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.start = self.peak = self.now()

    def now(self) -> int:
        """Resident bytes at this moment."""
        return int(self._process.memory_info().rss)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            if self._stop.wait(self._interval):
                return
