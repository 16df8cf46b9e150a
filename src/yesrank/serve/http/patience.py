"""Clients that ask and do not read: what waits for them holds a connection, memory, and perhaps an open file."""

import asyncio
import socket

from yesrank.serve.http.half_open import Connection

_UNSENT = 64 * 1024
"""Bytes that the system takes in advance. Of the megabytes that it would, a slow client reads for minutes unseen."""


class Patience:
    """Ends a connection when something waits for its client and nothing of it is taken for so many seconds."""

    def __init__(self, transport: asyncio.Transport, connection: Connection, seconds: float) -> None:
        self._transport, self._connection, self._seconds = transport, connection, seconds
        self._timer: asyncio.TimerHandle | None = None
        self._mark = 0
        found = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT") and getattr(found, "family", None) in (
            socket.AF_INET,
            socket.AF_INET6,
        ):
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)

    def watch(self) -> None:
        """To be called when something may wait for the client."""
        if self._timer is None and self._transport.get_write_buffer_size():
            self._mark = self._taken()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def end(self) -> None:
        """On the connection's end."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() and self._taken() <= self._mark:
            self._transport.abort()
        else:
            self.watch()

    def _taken(self) -> int:
        return self._connection.sent - self._transport.get_write_buffer_size()
