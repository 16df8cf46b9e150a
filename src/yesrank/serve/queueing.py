"""The queue between the event loop and the engine thread: limits, order, fairness. Safe from any thread."""

import math
import threading
import time
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from yesrank.errors import QueueFull
from yesrank.serve.limits import Limits
from yesrank.serve.work import Job, Model, Part, Turn

_SHORT = 2  # turns: a request of as many tokens or fewer is a short one
_NEARLY = 4  # turns: a long one with no more than that left is finished before the others go on
_RESERVE = 4  # long requests get a quarter of all tokens, however many short ones come
_WAIT = 8.0  # times its own length that a short request may be kept waiting by shorter ones that come later
_OVER = 4  # a turn is made a quarter longer where that finishes a request
_UNMEASURED_RATE = 1000.0  # tokens a second, before anything has run
_MAX_RETRY_AFTER = 600.0
_STRETCH = 4  # the most by which a turn of a fast model is enlarged
_DEEP = 8  # turns that short requests wait for
_CALM = 1.0  # seconds without a short request


@dataclass(slots=True)
class _Lanes:
    """One model's waiting jobs. short: they are finished one after the other, by the time at which they are due.

    long: they run a slice at a time, by turns. credit: tokens that are owed to the long ones, less than none after a
    document that was longer than what was owed.
    """

    short: list[Job] = field(default_factory=list)
    long: deque[Job] = field(default_factory=deque)
    credit: int = 0

    def __bool__(self) -> bool:
        return bool(self.short or self.long)

    def forget(self, job: Job) -> None:
        for lane in (self.short, self.long):
            if job in lane:
                lane.remove(job)


class Queue:
    """Jobs wait here until they are over; `take` cuts them into turns.

    A turn holds short requests, or slices of long ones, which take turns. A short request waits for the turn that
    is running and begins in the next, unless others are due before it. Each is due after a time in proportion to its
    length: a request of one document goes before one of twenty that came with it, but not for ever. Long ones get
    a quarter of all tokens while short ones wait, in turns of their own of half the length, so that no short
    request's answer is held back by the rest of its turn. Models with work are served one after the other.

    Requests of a turn or two count as short, and what is left of a long one is finished in one go: by turns with others
    of their size all would finish last, and the engine's memory of prefixes would have to hold all their queries.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._jobs: dict[Job, None] = {}
        self._lanes: OrderedDict[Model, _Lanes] = OrderedDict()
        self._again: deque[Part] = (
            deque()
        )  # failed once: each runs in a turn of its own, before anything else
        self._paused: set[Model] = set()
        self._closed = False
        self._last_short = -math.inf
        self._rates: dict[str, float] = {}
        self.tokens_per_second = 0.0

    @property
    def requests(self) -> int:
        """Jobs that are not over."""
        return len(self._jobs)

    @property
    def tokens(self) -> int:
        """Tokens of them that no turn has taken yet."""
        with self._changed:
            return self._tokens()

    def check(self, tokens: int = 0) -> None:
        """Raises QueueFull where a request of so many tokens would have to be refused."""
        with self._changed:
            self._check(tokens)

    def add(self, job: Job) -> None:
        """Raises QueueFull."""
        with self._changed:
            self._check(job.tokens_left)
            self._jobs[job] = None
            lanes = self._lanes.setdefault(job.model, _Lanes())
            if job.tokens_left <= _SHORT * self._limits.turn_tokens:
                job.due = job.queued_at + _WAIT * job.tokens_left / self._rate(job.model)
                insort(lanes.short, job, key=lambda each: each.due)
                self._last_short = time.monotonic()
            else:
                lanes.long.append(job)
            self._changed.notify_all()

    def remove(self, job: Job) -> bool:
        """Drops what has not run of a job; False where it was over already."""
        with self._changed:
            if job.over:
                return False
            job.over = True
            self._jobs.pop(job, None)
            if job.model in self._lanes:
                self._lanes[job.model].forget(job)
            self._changed.notify_all()
            return True

    def remove_all(self, model: Model | None = None) -> list[Job]:
        """Drops all jobs (of one model) and returns them."""
        with self._changed:
            jobs = [job for job in self._jobs if model in (None, job.model)]
        return [job for job in jobs if self.remove(job)]

    def take(self) -> Turn | None:
        """The next turn; waits for one. None when the queue is closed."""
        with self._changed:
            while not self._closed:
                if (turn := self._alone() or self._next()) is not None:
                    return turn
                self._changed.wait()
            return None

    def put_back(self, parts: Iterable[Part]) -> None:
        """Parts of a failed turn: each will run alone."""
        with self._changed:
            self._again.extend(replace(part, alone=True) for part in parts if not part.job.over)
            self._changed.notify_all()

    def pause(self, model: Model) -> None:
        """Keeps a model's jobs waiting."""
        with self._changed:
            self._paused.add(model)

    def resume(self, model: Model) -> None:
        """Lets a model's jobs run again."""
        with self._changed:
            self._paused.discard(model)
            self._changed.notify_all()

    def close(self) -> None:
        """`take` returns None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def measured(self, turn: Turn, seconds: float) -> None:
        """Keeps moving averages of the speed, of all models and of each."""
        rate = turn.tokens / max(seconds, 1e-6)
        name = turn.model.name
        with self._changed:
            self.tokens_per_second = _moved(self.tokens_per_second, rate)
            self._rates[name] = _moved(self._rates.get(name, 0.0), rate)

    def retry_after(self) -> float:
        """Whole seconds until about half of what waits is done: 1 to 600."""
        seconds = 0.5 * self.tokens / (self.tokens_per_second or _UNMEASURED_RATE)
        return float(min(_MAX_RETRY_AFTER, max(1, math.ceil(seconds))))

    def _tokens(self) -> int:
        return sum(job.tokens_left for job in self._jobs)

    def _check(self, tokens: int) -> None:
        limits, waiting = self._limits, self._tokens()
        if len(self._jobs) >= limits.queued_requests:
            raise QueueFull(f"{len(self._jobs)} requests are waiting already", retry_after=self.retry_after())
        if waiting and waiting + tokens > limits.queued_tokens:
            message = f"{waiting} tokens are waiting already, and this request has {tokens}"
            raise QueueFull(message, retry_after=self.retry_after())

    def _alone(self) -> Turn | None:
        for _ in range(len(self._again)):
            part = self._again.popleft()
            if part.job.model in self._paused:
                self._again.append(part)
            elif not part.job.over:
                return Turn(part.job.model, (part,))
        return None

    def _next(self) -> Turn | None:
        for model in list(self._lanes):
            if not self._lanes[model]:
                del self._lanes[model]  # so that a model that is gone is not kept alive
            elif model not in self._paused:
                self._lanes.move_to_end(model)
                return Turn(model, tuple(self._fill(self._lanes[model], self._budget(model))))
        return None

    def _rate(self, model: Model) -> float:
        return self._rates.get(model.name) or self.tokens_per_second or _UNMEASURED_RATE

    def _budget(self, model: Model) -> int:
        """Every turn has a fixed cost, and a prefix computed alone fills no call: turns are larger where nobody minds.

        For a model that feels it, a fast one, that is while no short request comes, or when so many wait that each turn
        is full of them; for any model, when there are so many that twice a turn is little beside the wait.
        """
        usual = self._limits.turn_tokens
        waiting = sum(job.tokens_left for job in self._lanes[model].short)
        if waiting > _DEEP * usual:
            usual *= 2
        if self._calm() or waiting > usual:
            fast = int(self._rates.get(model.name, 0.0) * self._limits.turn_seconds)
            return max(usual, min(fast, _STRETCH * self._limits.turn_tokens))
        return usual

    def _calm(self) -> bool:
        return time.monotonic() - self._last_short > _CALM

    def _fill(self, lanes: _Lanes, room: int) -> list[Part]:
        if not lanes.short:
            lanes.credit = 0  # nobody was kept waiting
            return self._slices(lanes, room if self._calm() else room // 2)
        if lanes.long and lanes.credit >= room // 2:
            parts = self._slices(lanes, room // 2)
            lanes.credit -= sum(part.tokens for part in parts)
        else:
            parts = self._shorts(lanes, room)
            lanes.credit += sum(part.tokens for part in parts) // (_RESERVE - 1) if lanes.long else 0
        return parts

    def _shorts(self, lanes: _Lanes, room: int) -> list[Part]:
        parts: list[Part] = []
        over = room // _OVER
        while lanes.short and (not parts or lanes.short[0].next_cost <= room):
            job = lanes.short[0]
            parts.append(job.take(job.tokens_left if job.tokens_left <= room + over else room))
            room -= parts[-1].tokens
            if not job.next_cost:
                lanes.short.pop(0)
        return parts

    def _slices(self, lanes: _Lanes, room: int) -> list[Part]:
        parts: list[Part] = []
        while lanes.long and (not parts or lanes.long[0].next_cost <= room):
            parts.append(self._slice(lanes, room))
            room -= parts[-1].tokens
        return parts

    def _slice(self, lanes: _Lanes, tokens: int) -> Part:
        job = lanes.long.popleft()
        part = job.take(tokens)
        if job.next_cost:
            nearly = job.tokens_left <= _NEARLY * self._limits.turn_tokens
            (lanes.long.appendleft if nearly else lanes.long.append)(job)
        return part


def _moved(average: float, value: float) -> float:
    return 0.9 * average + 0.1 * value if average else value
