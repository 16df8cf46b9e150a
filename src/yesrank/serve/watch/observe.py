"""What the scheduler and the pool tell whoever counts: plain values, no metrics library."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """Where a model stands."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a request left the scheduler."""

    DONE = "done"
    FAILED = "failed"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TurnReport:
    """One call of the engine. tokens: computed, prefixes counted once a request; fill: tokens over turn_tokens."""

    model: str
    requests: int
    documents: int
    tokens: int
    fill: float
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class RequestReport:
    """One request that has left. documents: as asked for; distinct: different prompts; tokens: of the distinct ones.

    queue_seconds: until its first turn began. inference_seconds: the turns that it took part in, added up.
    """

    model: str
    outcome: Outcome
    documents: int
    distinct: int
    tokens: int
    queue_seconds: float
    inference_seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The queue at one moment. requests: unfinished ones; tokens: not begun yet; tokens_per_second: measured, or 0."""

    requests: int
    tokens: int
    tokens_per_second: float
    draining: bool


class Observer(Protocol):
    """Is told what happens, on the event loop's thread. Must not block, and must not raise."""

    def turn(self, report: TurnReport) -> None:
        """The engine finished a call, or failed in it."""

    def request(self, report: RequestReport) -> None:
        """A request left the scheduler."""

    def reload(self, model: str, reason: str) -> None:
        """A model's engine broke ("crash" or "hang") and is loaded anew."""

    def state(self, model: str, state: State) -> None:
        """A model's state changed."""


class Silent:
    """An Observer that does nothing."""

    def turn(self, report: TurnReport) -> None:
        """Does nothing."""

    def request(self, report: RequestReport) -> None:
        """Does nothing."""

    def reload(self, model: str, reason: str) -> None:
        """Does nothing."""

    def state(self, model: str, state: State) -> None:
        """Does nothing."""
