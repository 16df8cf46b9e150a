"""One model's waiting requests, and what of them goes into a turn."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.work import Job, Part
from yesrank.types import Ids

_NEARLY = 4  # turns: a long one with no more than that left is finished before the others go on
_RESERVE = 4  # long requests get a quarter of all tokens, however many short ones come
_OVER = 4  # a turn is made a quarter longer where that finishes a request
_LEAST_PIECE = 64  # tokens of a long prompt: a call of fewer takes as long
_LARGE = 8  # a prefix of more than this part of what may be held counts as a large one


@dataclass(slots=True)
class Lanes:
    """short: requests that are finished one after the other, by the time at which they are due.

    long: they run a slice at a time, by turns; one begins when there is room for its prefix. credit: tokens that are
    owed to the long ones, less than none after a document that was longer than what was owed. usual: tokens a second
    of short requests, 0 where unknown.
    """

    limits: Limits
    short: list[Job] = field(default_factory=list)
    long: deque[Job] = field(default_factory=deque)
    credit: int = 0
    usual: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.short or self.long)

    def __iter__(self) -> Iterator[Job]:
        return chain(self.short, self.long)

    @property
    def begun(self) -> Job | None:
        """The one of which a prompt is begun."""
        return next((job for job in self.long if job.ahead), None)

    def forget(self, job: Job) -> None:
        """Takes a job out that is over."""
        for lane in (self.short, self.long):
            if job in lane:
                lane.remove(job)

    def take(self, room: int, known: set[Ids], *, calm: bool, usual: float) -> list[Part]:
        """The parts of a turn of about so many tokens of usual rate. known: see Job.take. calm: no short one came."""
        self.usual = usual
        if not self.short:
            self.credit = 0  # nobody was kept waiting
            return self._slices(room if calm else room // 2, known)
        if self.long and self.credit >= room // 2:
            parts = self._slices(room // 2, known)
            self.credit -= sum(map(self._weight, parts))
        else:
            parts = self._shorts(room, known)
            self.credit += sum(part.tokens for part in parts) // (_RESERVE - 1) if self.long else 0
        return parts

    def _shorts(self, room: int, known: set[Ids]) -> list[Part]:
        parts: list[Part] = []
        over = room // _OVER
        while self.short and (not parts or self.short[0].next_cost(known) <= room):
            job = self.short[0]
            parts.append(job.take(room + over if job.tokens_left <= room + over else room, known))
            room -= parts[-1].tokens
            if job.all_taken:
                self.short.pop(0)
        return parts

    def _slices(self, room: int, known: set[Ids]) -> list[Part]:
        parts: list[Part] = []
        while (job := self._next_long()) and (not parts or job.next_cost(known) <= room):
            parts.append(self._slice(job, room, known, whole=bool(parts)))
            room -= self._weight(parts[-1])
            if parts[-1].begin == parts[-1].end:  # a piece has a turn for itself
                break
        return parts

    def _weight(self, part: Part) -> int:
        """Its tokens, slow ones as so many more of the usual kind: a share is a share of the time."""
        return int(part.tokens / part.job.pace(self.usual))

    def _slice(self, job: Job, room: int, known: set[Ids], *, whole: bool) -> Part:
        """A job of which a prompt is begun stays the first: the engine holds one such prompt."""
        self.long.remove(job)
        pace = job.pace(self.usual)
        piece = 0 if whole else max(_LEAST_PIECE, int(self.limits.turn_tokens // 2 * pace))
        part = job.take(int(room * pace), known, piece=piece)
        if not job.all_taken:
            first = part.begin == part.end or job.tokens_left <= _NEARLY * self.limits.turn_tokens
            (self.long.appendleft if first else self.long.append)(job)
        return part

    def _next_long(self) -> Job | None:
        """The first that has begun, or has room for its prefix. Those that have not wait in the order they came in."""
        held: dict[bool, list[int]] = {True: [], False: []}
        for job in self.long:
            if job.running:
                held[self._is_large(job)].append(job.plan.longest)
        full = dict.fromkeys(held, False)
        for job in self.long:
            large = self._is_large(job)
            if job.running:
                return job
            full[large] |= bool(held[large]) and sum(held[large]) + job.plan.longest > self.limits.held_tokens
            if not full[large]:
                return job
        return None

    def _is_large(self, job: Job) -> bool:
        return job.plan.longest > self.limits.held_tokens // _LARGE
