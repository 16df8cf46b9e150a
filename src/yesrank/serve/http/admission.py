"""How many requests, and how many bytes of them, are in the house at a time: bounded before anything is parsed."""

from collections.abc import Iterator
from contextlib import contextmanager

from yesrank.errors import QueueFull

_BODIES = 4  # bodies of the largest size that may be held at a time
_PIECE, _LARGE = (
    64 * 1024,
    16 * 1024 * 1024,
)  # bytes of a file: what is read and sent at once, and what takes long


class Admission:
    """Counts requests from their head to their answer. The scheduler bounds their tokens, later."""

    def __init__(self, requests: int, body_bytes: int) -> None:
        self._most_requests, self._most_bytes = requests, _BODIES * body_bytes
        self.requests = self.bytes = 0

    @contextmanager
    def enter(self) -> Iterator["Place"]:
        """A place for one request. Raises QueueFull."""
        if self.requests >= self._most_requests:
            raise QueueFull(f"{self.requests} requests are being answered already", retry_after=1)
        place = Place(self)
        self.requests += 1
        try:
            yield place
        finally:
            self.requests -= 1
            self.bytes -= place.bytes

    def grow(self, size: int) -> None:
        """Counts bytes of a body as they arrive. Raises QueueFull."""
        if self.bytes + size > self._most_bytes:
            raise QueueFull("the bodies of other requests take all the room there is", retry_after=1)
        self.bytes += size


class Place:
    """One request's share."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.bytes = 0

    def grow(self, size: int) -> None:
        """Counts bytes of its body. Raises QueueFull."""
        self._admission.grow(size)
        self.bytes += size


class Downloads:
    """Counts files that are being sent: each is open until its client has taken it.

    A quarter of the places is kept for files that are not large: readers of weights take minutes, and configuration
    and tokenizer must not wait for them. A file of one piece needs no place, for it is closed at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._most_large = most, most - max(1, most // 4)
        self.now = self._large = 0

    @contextmanager
    def enter(self, size: int) -> Iterator[None]:
        """A place for a file of so many bytes. Raises QueueFull."""
        if size <= _PIECE:
            yield
            return
        large = size > _LARGE
        if self.now >= self._most or (large and self._large >= self._most_large):
            raise QueueFull(f"{self.now} files are being sent already", retry_after=5)
        self.now += 1
        self._large += large
        try:
            yield
        finally:
            self.now -= 1
            self._large -= large
