"""How much a server takes on at a time."""

from dataclasses import dataclass

from yesrank.errors import InputError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the queue and of one turn of the engine.

    queued_tokens: tokens that may wait to be computed, over all requests; a single request of more is taken only while
    nothing else waits. queued_requests: requests that may be unfinished at a time. turn_tokens: about so many tokens
    run before the engine looks at the queue again: more cost less overhead, and let short requests wait longer.
    held_tokens: tokens of prefixes that long requests may hold in the engine between their turns. Those of more than an
    eighth of it have as much again for themselves, and of each kind one request runs whatever it holds; others wait for
    them. turn_seconds: turns of a fast model, up to four times as large, may last so long where nobody waits for it.
    hang_seconds: a turn that takes longer is given up (longer turns in proportion to their tokens).

    Raises InputError for a bound that is not positive.
    """

    queued_tokens: int = 4_000_000
    queued_requests: int = 1024
    turn_tokens: int = 1536  # two calls of the paged engine; a short request waits for one turn at most
    held_tokens: int = 4096
    turn_seconds: float = 0.15
    hang_seconds: float = 120.0

    def __post_init__(self) -> None:
        for field in self.__slots__:
            if not getattr(self, field) > 0:
                raise InputError(field, f"must be more than 0, not {getattr(self, field)}")

    def patience(self, tokens: int) -> float:
        """Seconds after which a turn of so many tokens counts as hung."""
        return self.hang_seconds * max(1.0, tokens / self.turn_tokens)
