"""Clients that have ended their side of a connection: are they waiting for an answer, or gone?

TCP says both in the same way. The difference shows once something is sent: the machine of a client that is gone
answers with a reset. So the words that every answer begins with are sent ahead of it, a byte at a time and ever more
seldom, and the answer goes on from there.
"""

import asyncio
import socket
from collections.abc import Callable

import h11

BEGINNING = b"HTTP/1.1 "
_TICK = 0.25
_FIRST = 2  # ticks: an answer that is there by then comes whole


class Connection(h11.Connection):
    """h11's, which leaves out of an answer what was sent ahead. ahead: so many bytes; sent: bytes, of all answers."""

    ahead = 0
    sent = 0

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override]  # its overloads
        """The bytes to send for an event."""
        data = super().send(event)
        if data:
            data, self.ahead = data[self.ahead :], 0
            self.sent += len(data)
        return data


class Lookout:
    """Looks whether a client is still there, from the end of its data to the end of the connection.

    unanswered: whether a request is being worked on that nothing of an answer was sent for.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        connection: Connection,
        unanswered: Callable[[], bool],
    ) -> None:
        self._transport, self._connection, self._unanswered = transport, connection, unanswered
        self._ticks, self._next = 0, _FIRST
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """On the client's end of data."""
        if self._timer is None:
            self._wait()

    def end(self) -> None:
        """On the connection's end."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._look)

    def _look(self) -> None:
        if self._is_gone():
            self._transport.abort()
            return
        self._ticks += 1
        if self._ticks >= self._next and self._unanswered():
            self._next = 2 * self._ticks
            self._ask()
        self._wait()

    def _ask(self) -> None:
        ahead = self._connection.ahead
        if ahead < len(BEGINNING) and not self._transport.get_write_buffer_size():
            self._connection.ahead += 1
            self._transport.write(BEGINNING[ahead : ahead + 1])

    def _is_gone(self) -> bool:
        """A reset: nobody else hears of it, since nothing is read any more."""
        found = self._transport.get_extra_info("socket")
        return found is not None and found.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
