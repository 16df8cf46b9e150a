"""HTTP/1.1 as uvicorn speaks it, made safe against clients that hold connections and say nothing, or nonsense.

When a client ends its side of the connection (EOF):

- its request is whole: it is answered, and then the connection is closed; see half_open.py for one that is gone.
- its request is not: 400, which nobody may read, and the work on it ends.
- it has none: the connection is closed.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from yesrank.serve.http.half_open import Connection, Lookout
from yesrank.serve.http.patience import Patience

_FILES_LEFT = 64
"""Open files that are left for models, the page and the log."""
_CUT_OFF = "The connection ended before the request did."
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


def most_files_sent() -> int:
    """Files that may be open at a time because they are being sent."""
    return min(64, max(4, _open_files() // 16))


def most_connections() -> int:
    """As many as there can be files open, less those sent and a few more.

    Without a bound a thousand idle clients stop all others: asyncio accepts until no file is left, and then fills the
    log with thousands of lines a second.
    """
    files = _open_files()
    return max(files - most_files_sent() - _FILES_LEFT, files // 2)


def _open_files() -> int:
    """How many files the system lets this process open."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else files


def made(
    head_timeout: float, send_timeout: float, most: int, turned_away: Callable[[], None]
) -> type[asyncio.Protocol]:
    """The protocol of a server's connections.

    head_timeout: seconds for a request's head to arrive (uvicorn waits for it for ever). send_timeout: seconds in which
    a client must take something of what waits for it. most: connections at a time; turned_away: called for each above
    it.
    """

    class Protocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _ended = False

        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state, _loop)
            largest = config.h11_max_incomplete_event_size
            self.conn = self._conn = Connection(h11.SERVER, *(() if largest is None else (largest,)))

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._lookout = Lookout(transport, self._conn, self._unanswered)
            self._patience = Patience(transport, self._conn, send_timeout)
            if len(self.connections) > most:
                turned_away()
                transport.write(_FULL)
                transport.close()
            else:
                self._arm()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait_for_head()

        def eof_received(self) -> bool:  # type: ignore[override]
            """Whether the connection stays open for answers."""
            if not self._unfinished():
                if self.conn.trailing_data[0] and self.conn.our_state is h11.IDLE:
                    self.send_400_response(_CUT_OFF)
                return False
            if self.cycle.more_body:
                if not self.cycle.response_started:
                    self.send_400_response(_CUT_OFF)
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                return False
            self._ended = True
            self._lookout.begin()
            return True

        def pause_writing(self) -> None:
            super().pause_writing()
            self._patience.watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._patience.watch()
            if self._ended and not self._unfinished():
                self.transport.close()
            # a next head may have come with the request that was answered, or a part of one
            if self.conn.trailing_data[0]:
                self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            self._lookout.end()
            self._patience.end()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                super().send_400_response(msg)
            else:  # the rest of a body was nonsense, and its request has been answered: there is no second answer
                self.transport.close()

        def _should_upgrade(self) -> bool:
            return False  # as RFC 9110 allows; uvicorn would tell the log twice a request (Java asks for h2c each time)

        def timeout_keep_alive_handler(self) -> None:
            if self.transport.get_write_buffer_size():  # it is still reading, or its patience will end
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            else:
                super().timeout_keep_alive_handler()

        def _unfinished(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _unanswered(self) -> bool:
            return self._unfinished() and not self.cycle.response_started

        def _wait_for_head(self) -> None:
            if self._unfinished():
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
