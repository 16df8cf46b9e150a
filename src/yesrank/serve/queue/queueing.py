"""The queue between the event loop and the engine thread: limits, order, fairness. Safe from any thread."""

import math
import threading
import time
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import replace

from yesrank.errors import QueueFull
from yesrank.serve.queue.lanes import Lanes
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.work import Job, Model, Part, Turn
from yesrank.types import Ids, Prompt

_SHORT = 2  # turns: a request of as many tokens or fewer is a short one
_WAIT = 8.0  # times its own length that a short request may be kept waiting by shorter ones that come later
_UNMEASURED_RATE = 1000.0  # tokens a second, before anything has run
_MAX_RETRY_AFTER = 600.0
_STRETCH = 4  # the most by which a turn of a fast model is enlarged
_DEEP = 8  # turns that short requests wait for
_FELT = 0.05  # seconds: of a shorter turn it does not matter how fast it was
_CALM = 1.0  # seconds without a short request


class Queue:
    """Jobs wait here until they are over; `take` cuts them into turns.

    A turn holds short requests, or slices of long ones, which take turns. A short request waits for the turn that
    is running and begins in the next, unless others are due before it. Each is due after a time in proportion to its
    length: a request of one document goes before one of twenty that came with it, but not for ever. Long ones get
    a quarter of all tokens while short ones wait, in turns of their own of half the length, so that no short
    request's answer is held back by the rest of its turn. Models with work are served one after the other.

    Requests of a turn or two count as short, and what is left of a long one is finished in one go: by turns with others
    of their size all would finish last, and the engine's memory of prefixes would have to hold all their queries.

    A turn says which prefixes the engine has to keep, for as long as requests that have begun go on with them, so that
    none is computed twice; and it is counted with what the engine then has to compute. How much may be kept at a time
    is bounded: a long request begins when there is room for its prefix. A prompt of a long request that is longer than
    a turn is computed in pieces, a turn each, and short requests are served between.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._jobs: dict[Job, None] = {}
        self._lanes: OrderedDict[Model, Lanes] = OrderedDict()
        self._again: deque[Part] = (
            deque()
        )  # failed once: each runs in a turn of its own, before anything else
        self._paused: set[Model] = set()
        self._closed = False
        self._last_short = -math.inf
        self._rates: dict[str, float] = {}
        self._usual: dict[str, float] = {}  # of turns without long requests
        self._kept: dict[Model, frozenset[Ids]] = {}  # what the engines were told last
        self._begun: set[Model] = set()  # those that hold a part of a prompt
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
            lanes = self._lanes.setdefault(job.model, Lanes(self._limits))
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

    def lost(self, model: Model) -> None:
        """The engine has forgotten all prefixes: they will be computed, and counted, again."""
        with self._changed:
            self._kept.pop(model, None)
            if model in self._lanes and (job := self._lanes[model].begun) is not None:
                job.lost()

    def went_on(self, part: Part, tokens: int) -> None:
        """So many tokens of a prompt were computed ahead; 0 where that is not possible, or failed."""
        with self._changed:
            part.job.went_on(tokens)
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
            if all(part.job.short for part in turn.parts):
                self._usual[name] = _moved(self._usual.get(name, 0.0), rate)
            if any(part.job.short for part in turn.parts):
                self._last_short = time.monotonic()  # however long it waited
            for part in turn.parts:
                part.job.rate = _between(part.job.rate, rate if seconds > _FELT else math.inf)

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
                model = part.job.model
                lanes = self._lanes.setdefault(model, Lanes(self._limits))
                alone = replace(part, tokens=part.cost(self._kept.get(model, ())))
                return self._turn(model, [alone], self._begun_prompt(lanes))
        return None

    def _next(self) -> Turn | None:
        for model in list(self._lanes):
            if model in self._paused:
                continue
            if self._lanes[model]:
                self._lanes.move_to_end(model)
                return self._of_lanes(model, self._lanes[model])
            del self._lanes[model]  # so that a model that is gone is not kept alive
            if bool(self._kept.pop(model, None)) | (model in self._begun):
                self._begun.discard(model)
                return Turn(model, ())
        return None

    def _of_lanes(self, model: Model, lanes: Lanes) -> Turn:
        begun = self._begun_prompt(lanes)  # which this turn may finish
        known, usual = set(self._kept.get(model, ())), self._usual.get(model.name, 0.0)
        return self._turn(
            model, lanes.take(self._budget(model), known, calm=self._calm(), usual=usual), begun
        )

    def _begun_prompt(self, lanes: Lanes) -> Prompt | None:
        return lanes.begun.begun if lanes.begun is not None else None

    def _turn(self, model: Model, parts: list[Part], begun_prompt: Prompt | None) -> Turn:
        used = {prompt.prefix for part in parts for prompt in part.prompts}.intersection(
            self._kept.get(model, ())
        )
        begun = {job.prefix for job in self._lanes[model] if job.prefix is not None}
        keep = self._kept[model] = frozenset(used | begun)
        turn = Turn(model, tuple(parts), keep, begun_prompt)
        if turn.piece is not None:
            self._begun.add(model)
            turn = replace(turn, begun=turn.piece.job.plan.prompts[turn.piece.begin])
        return turn

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


def _moved(average: float, value: float) -> float:
    return 0.9 * average + 0.1 * value if average else value


def _between(old: float, new: float) -> float:
    """Half way to the new value; a value that is not known (infinity) counts for nothing."""
    return new if math.isinf(old) or math.isinf(new) else (old + new) / 2
