"""HTTP/1.1 as uvicorn speaks it, made safe against clients that hold connections and say nothing, or nonsense."""

import asyncio
import sys
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_FILES_LEFT = 64
"""Open files that are left for models, the page and the log."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


def most_connections() -> int:
    """As many as there can be files open, less a few.

    Without a bound a thousand idle clients stop all others: asyncio accepts until no file is left, and then fills the
    log with thousands of lines a second.
    """
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else max(files - _FILES_LEFT, files // 2)


def made(head_timeout: float, most: int, turned_away: Callable[[], None]) -> type[asyncio.Protocol]:
    """The protocol of a server's connections.

    head_timeout: seconds for a request's head to arrive (uvicorn waits for it for ever). most: connections at a time;
    turned_away: called for each above it.
    """

    class Protocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                turned_away()
                transport.write(_FULL)
                transport.close()
            else:
                self._arm()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait_for_head()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # a next head may have come with the request that was answered, or a part of one
            if self.conn.trailing_data[0]:
                self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                super().send_400_response(msg)
            else:  # the rest of a body was nonsense, and its request has been answered: there is no second answer
                self.transport.close()

        def _should_upgrade(self) -> bool:
            return False  # as RFC 9110 allows; uvicorn would tell the log twice a request (Java asks for h2c each time)

        def timeout_keep_alive_handler(self) -> None:
            if self.transport.get_write_buffer_size():  # the client does not read: close would wait for it
                self.transport.abort()
            else:
                super().timeout_keep_alive_handler()

        def _wait_for_head(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._disarm()
            elif self._timer is None:  # a next head has begun, or the rest of a body that was refused
                self._arm()

        def _arm(self) -> None:
            self._timer = self.loop.call_later(head_timeout, self.transport.close)

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Protocol
