"""An event loop whose ready callbacks run in any order, on a clock that stands until it is moved.

Correct code must not depend on that order: the loop promises it to nobody who waits for something else.
"""

import asyncio
import random
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_TURNS = 3000  # far more than any number of waiting tasks needs
_CPU_SECONDS = 5.0  # of this process, for what takes milliseconds


class ShuffledLoop(asyncio.SelectorEventLoop):
    """Each turn runs some of the callbacks that are ready, in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._turns = 0
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def turn(self) -> None:
        """One turn, or a few: what stops the loop is shuffled too."""
        self.call_soon(self.stop)
        with no_spinning():
            self.run_forever()

    def settle(self) -> None:
        """Turns until nothing is left to do at this time; fails where there is no end to it."""
        self._turns = 0
        while self._ready or any(
            not timer.cancelled() and timer.when() <= self.now for timer in self._scheduled
        ):
            self.turn()
            assert self._turns < _TURNS, "the loop turns and turns"

    def _run_once(self) -> None:
        self._turns += 1
        ready = list(self._ready)
        self._random.shuffle(ready)
        now = self._random.randint(1, len(ready))
        self._ready = deque(ready[:now])
        super()._run_once()
        self._ready.extend(ready[now:])


@contextmanager
def no_spinning() -> Iterator[None]:
    """Ends code that computes without end: it would never give the test a turn to say so."""
    stuck = []

    def end(*_: object) -> None:
        stuck.append(True)
        raise AssertionError("a callback never ended")

    if not hasattr(signal, "setitimer"):  # Windows: such a test then runs until the job's own limit
        yield
        return
    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS, _CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert not stuck, "a callback never ended"  # a task keeps what is raised in it to itself
