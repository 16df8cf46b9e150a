"""One request's work: its distinct prompts, and the parts in which they run."""

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from yesrank.types import FloatArray, Ids, Prompt

_SLOWEST = 1 / 64  # what a token may count at most
_OVER = 1.25  # turns: a prompt of no more runs in one


class Model(Protocol):
    """What the scheduler needs of a loaded model. What is no coroutine is called on the engine thread."""

    @property
    def name(self) -> str:
        """For reports and messages."""

    def logits(self, prompts: Sequence[Prompt]) -> FloatArray:
        """float32 [N], or hidden states [N, D], NaN and infinity included. Raises whatever the engine raises."""

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Engine.keep. Called before a turn that goes on with them. Never raises."""

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Engine.begin. Raises whatever the engine raises."""

    def healthy(self) -> bool:
        """Whether a fixed pair can be scored. Never raises."""

    async def reload(self, *, abandoned: bool) -> None:
        """Replaces the engine by a fresh one. abandoned: a hung call still holds the old one, which cannot be closed.

        Raises YesrankError where that fails.
        """


@dataclass(frozen=True, slots=True)
class Plan:
    """The distinct prompts of a request, neighbours sharing their prefix, and where each result belongs.

    costs: tokens to compute for each (a prefix is counted with the first). places: int [N], row of each prompt.
    longest: tokens of the longest prefix.
    """

    prompts: tuple[Prompt, ...]
    costs: tuple[int, ...]
    places: npt.NDArray[np.intp]
    longest: int

    def common(self, index: int) -> Ids | None:
        """The prefix of the prompt at index, where the one before it has the same; None for an empty one."""
        if not 0 < index < len(self.prompts):
            return None
        prefix = self.prompts[index].prefix
        return prefix if len(prefix) and prefix == self.prompts[index - 1].prefix else None


def plan(prompts: Sequence[Prompt]) -> Plan:
    """Takes out what is asked for twice, and puts prompts with the same prefix next to each other."""
    first: dict[Prompt, int] = {}
    groups: dict[Ids, list[int]] = {}
    origins = []
    for index, prompt in enumerate(prompts):
        origins.append(first.setdefault(prompt, index))
        if origins[-1] == index:
            groups.setdefault(prompt.prefix, []).append(index)
    order = [index for members in groups.values() for index in members]
    row = {index: row for row, index in enumerate(order)}
    leaders = {members[0] for members in groups.values()}
    return Plan(
        prompts=tuple(prompts[index] for index in order),
        costs=tuple(_cost(prompts[index], leader=index in leaders) for index in order),
        places=np.array([row[index] for index in origins], np.intp),
        longest=max(map(len, groups), default=0),
    )


def _cost(prompt: Prompt, *, leader: bool) -> int:
    return len(prompt) if leader else len(prompt.own)


@dataclass(slots=True, eq=False)
class Job:
    """A request in the queue. `finish` is called once, from any thread, when it is done or has failed.

    due: a time of the monotonic clock by which the queue orders short requests; the queue sets it. rate: tokens a
    second of its last turns, where those were long enough to be felt. ahead: tokens of its next prompt that are
    computed already. whole: no more of that can be computed ahead.
    """

    model: Model
    plan: Plan
    finish: Callable[["Job"], None]
    taken: int = 0
    missing: int = field(init=False)
    tokens_left: int = field(init=False)
    logits: FloatArray = field(init=False)  # or hidden states, of a model that embeds
    error: BaseException | None = None
    over: bool = False
    queued_at: float = field(default_factory=time.monotonic)
    begun_at: float | None = None
    ahead: int = 0
    whole: bool = False
    due: float = math.inf
    rate: float = math.inf
    inference_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.missing = len(self.plan.prompts)
        self.tokens_left = sum(self.plan.costs)
        self.logits = np.full(self.missing, np.nan, np.float32)

    def keep(self, begin: int, end: int, results: FloatArray) -> None:
        """The results of prompts begin..end: float32 [N], or [N, D] of a model that embeds."""
        if results.ndim != self.logits.ndim:
            self.logits = np.full((len(self.plan.prompts), *results.shape[1:]), np.nan, np.float32)
        self.logits[begin:end] = results
        self.missing -= end - begin

    def take(self, tokens: int, known: set[Ids], *, piece: int = 0) -> "Part":
        """The next prompts for about so many tokens, at least one.

        known: prefixes that the engine has, or will have computed by then; those of the part are added. piece: of a
        prompt that is longer than a turn, so many tokens are computed ahead, and the part has no prompt; 0 for never.
        """
        begin, spent = self.taken, 0
        if self.begun_at is None:
            self.begun_at = time.monotonic()
        if piece and not self.whole and self.next_cost(known) > max(tokens, piece) * _OVER:
            return Part(self, begin, begin, piece)
        while not self.all_taken and (self.taken == begin or spent + self.next_cost(known) <= tokens):
            spent += self.next_cost(known)
            known.add(self.plan.prompts[self.taken].prefix)
            self.tokens_left -= max(0, self.plan.costs[self.taken] - self.ahead)
            self.taken += 1
            self.ahead, self.whole = 0, False
        return Part(self, begin, self.taken, spent)

    def next_cost(self, known: Collection[Ids]) -> int:
        """Tokens that the next prompt makes the engine compute."""
        prompt = self.plan.prompts[self.taken]
        return max(1, (len(prompt.own) if prompt.prefix in known else len(prompt)) - self.ahead)

    def went_on(self, tokens: int) -> None:
        """So many tokens of the next prompt were computed ahead; 0 where no more can be."""
        self.ahead += tokens
        self.tokens_left = max(0, self.tokens_left - tokens)
        self.whole = not tokens

    def lost(self) -> None:
        """What was computed ahead is gone."""
        self.tokens_left += self.ahead
        self.ahead = 0

    @property
    def begun(self) -> Prompt | None:
        """The prompt of which a part is computed."""
        return self.plan.prompts[self.taken] if self.ahead and not self.all_taken else None

    @property
    def running(self) -> bool:
        """Whether a turn of it was taken, so that the engine holds something for it."""
        return bool(self.taken or self.ahead)

    @property
    def short(self) -> bool:
        """Whether the queue counts it as a short one."""
        return self.due < math.inf

    def pace(self, usual: float) -> float:
        """Its tokens' speed beside the usual one, 1 at most: after a long prefix, each looks back at all of it."""
        return min(1.0, max(_SLOWEST, self.rate / usual)) if usual else 1.0

    @property
    def all_taken(self) -> bool:
        """Whether no prompt waits for a turn."""
        return self.taken == len(self.plan.prompts)

    @property
    def prefix(self) -> Ids | None:
        """What its next prompt has in common with those that were taken: to be kept until then."""
        return self.plan.common(self.taken)

    @property
    def queue_seconds(self) -> float:
        """How long it waited for its first turn."""
        return (self.begun_at or time.monotonic()) - self.queued_at


@dataclass(frozen=True, slots=True)
class Part:
    """Prompts begin..end of a job that run in one turn. alone: it failed before, and runs in a turn of its own.

    Where there is no prompt, so many tokens of the one at begin are computed ahead.
    """

    job: Job
    begin: int
    end: int
    tokens: int
    alone: bool = False

    @property
    def prefix(self) -> Ids | None:
        """What its first prompt has in common with those that ran before."""
        return self.job.plan.common(self.begin)

    def cost(self, known: Collection[Ids]) -> int:
        """Tokens that it makes the engine compute. known: prefixes that the engine has."""
        prefix = self.prefix
        again = len(prefix) if prefix is not None and prefix not in known else 0
        return sum(self.job.plan.costs[self.begin : self.end]) + again

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts to run."""
        return self.job.plan.prompts[self.begin : self.end]


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of the engine: parts of one or more requests for the same model.

    keep: the prefixes that it and later turns go on with; begun: the prompt that one of them goes on with. Without
    parts, only what is no longer wanted goes.
    """

    model: Model
    parts: tuple[Part, ...]
    keep: frozenset[Ids] = frozenset()
    begun: Prompt | None = None

    @property
    def piece(self) -> Part | None:
        """Its only part, where that computes a piece of a prompt."""
        return self.parts[0] if self.parts and not self.documents else None

    @property
    def tokens(self) -> int:
        """What it computes."""
        return sum(part.tokens for part in self.parts)

    @property
    def documents(self) -> int:
        """Prompts in it."""
        return sum(part.end - part.begin for part in self.parts)

    @property
    def prompts(self) -> list[Prompt]:
        """All parts' prompts, one after the other."""
        return [prompt for part in self.parts for prompt in part.prompts]
