"""Those who wait for one thing, in the order in which they came."""

import asyncio
from collections.abc import Callable


class Line:
    """Waiting here always suspends, so that nobody who looks again and again can hold up the event loop."""

    def __init__(self) -> None:
        self._tickets: list[asyncio.Future[None]] = []

    def __bool__(self) -> bool:
        return bool(self._tickets)

    def join(self) -> "asyncio.Future[None]":
        """A ticket to await. Give it to `leave` afterwards, whatever came of it."""
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets.append(ticket)
        return ticket

    def leave(self, ticket: "asyncio.Future[None]") -> None:
        """Takes a ticket out, where it was not called."""
        if ticket in self._tickets:
            self._tickets.remove(ticket)

    def call(self, each: Callable[[], None] | None = None) -> None:
        """Everyone goes on. each: called for everyone who still waits, before he does."""
        for ticket in self._all():
            if each is not None:
                each()
            ticket.set_result(None)

    def fail(self, error: Callable[[], Exception]) -> None:
        """Everyone gets an error of his own: one that is raised in many places collects all their tracebacks."""
        for ticket in self._all():
            ticket.set_exception(error())
            ticket.exception()  # seen, even if who waited was cancelled in the meantime

    def _all(self) -> "list[asyncio.Future[None]]":
        tickets, self._tickets = self._tickets, []
        return [ticket for ticket in tickets if not ticket.done()]


def is_called(ticket: "asyncio.Future[None]") -> bool:
    """Whether it was called, and not refused or given up."""
    return ticket.done() and not ticket.cancelled() and ticket.exception() is None
