"""Progress of a long evaluation: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from yesrank.cli import output
from yesrank.types import Progress

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(label: str, total: int) -> Iterator[Progress]:
    """Yields a callable that is told how many more pairs are done. Everything goes to stderr."""
    if sys.stderr.isatty():
        from yesrank.models.progress import bar

        with bar(label, total) as report:
            yield report
    else:
        yield _Lines(label, total)


class _Lines:
    """Says how far it is and how long it will take. What was known at the start is not counted as speed."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._done, self._known = 0, -1
        self._began = self._said = time.monotonic()

    def __call__(self, more: int) -> None:
        now = time.monotonic()
        self._done += more
        if self._known < 0:
            self._known, self._began = self._done, now
            if self._known:
                output.note(f"{self._label}: {self._known} of {self._total} pairs are known from before")
        elif now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            rate = (self._done - self._known) / (now - self._began)
            left = _duration((self._total - self._done) / rate)
            output.note(
                f"{self._label}: {self._done} of {self._total} pairs, {rate:.3g} pairs/s, about {left} left"
            )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
