"""The process around the application: its socket, its connections, its end.

SIGTERM, SIGHUP or Ctrl-C: new work is refused, what was accepted is finished within a grace time, and the process ends
with code 0. A second Ctrl-C ends it at once: see signals.py.
"""

import asyncio
import errno
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from yesrank.errors import ServerError
from yesrank.serve.http import protocol
from yesrank.serve.service import Service
from yesrank.serve.settings import Settings
from yesrank.serve.signals import Signals
from yesrank.serve.watch import logs
from yesrank.serve.watch.watchdog import Watchdog

_KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than the 60 of usual proxies, so that they close it, not we."""
_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 8
"""Connections that asyncio accepts before any is looked at: more could use up the open files, see protocol.py."""
_LAST_ANSWERS, _LAST_MOMENT = 5, 1
"""Seconds for clients to take their answers once all work is done: usually, and when its grace time is over."""
_LARGEST_HEAD = 64 * 1024
_NO_SUCH_PORT = "another program may be using the port: choose one with --port, or 0 for any that is free"
_NO_SUCH_HOST = "--host takes an address or a name of this machine: 127.0.0.1, or 0.0.0.0 for all that it has"


def bind(settings: Settings) -> socket.socket:
    """The socket to listen on. Raises ServerError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # the protocol is named because asyncio sets TCP_NODELAY only where it is: without it answers wait 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with suppress(OSError):  # on Windows the option means something else
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ServerError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}",
            _NO_SUCH_HOST if _is_about_the_host(error) else _NO_SUCH_PORT,
        ) from error
    listener.setblocking(False)
    return listener


def _is_about_the_host(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL


def run(app: FastAPI, settings: Settings, listener: socket.socket, signals: Signals | None = None) -> None:
    """Serves until a signal ends it, or somebody sets should_exit of app.state.server."""
    turned_away = app.state.service.metrics.errors.labels("TooManyConnections").inc
    config = uvicorn.Config(
        app,
        http=protocol.made(
            settings.head_timeout, settings.send_timeout, protocol.most_connections(), turned_away
        ),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_ACCEPTED_AT_ONCE,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_LAST_ANSWERS,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
    )
    with Watchdog(settings.watchdog) as watchdog:
        app.state.server = server = _Server(config, app.state.service, settings.drain_timeout, watchdog)
        if signals is not None:
            signals.direct_to(server)
        server.run(sockets=[listener])


def leave_threads_behind() -> None:
    """Ends the process at once, with code 0, where a model is still being loaded or an engine hangs.

    Such calls cannot be stopped, and the libraries that they are in abort a process whose interpreter ends meanwhile.
    """
    if any(thread.daemon and thread.name.startswith("yesrank") for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class _Server(uvicorn.Server):
    """Finishes accepted work before it stops, and leaves with code 0."""

    def __init__(self, config: uvicorn.Config, service: Service, grace: float, watchdog: Watchdog) -> None:
        super().__init__(config)
        self._service, self._grace, self._end = service, grace, float("inf")
        self._watchdog = watchdog

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, but connections wait in a longer queue than the number that is accepted at once."""
        await super().startup(sockets)
        self._watchdog.watch(asyncio.get_running_loop())
        for listener in sockets or ():
            listener.listen(_BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: whether to stop listening. Until then /ready says that the server is draining."""
        if not await super().on_tick(counter):
            return False
        if not self._service.draining:
            self._service.drain()
            self._end = time.monotonic() + self._grace
            logs.log_event("draining", requests=self._service.active)
        if time.monotonic() >= self._end:
            self.config.timeout_graceful_shutdown = _LAST_MOMENT
            return True
        return self.force_exit or not self._service.active

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, but cuts off who does not read: it would cancel their tasks, each with a traceback."""
        seconds = 0.8 * (self.config.timeout_graceful_shutdown or 0)
        timer = asyncio.get_running_loop().call_later(seconds, self._cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals as they are: uvicorn's handlers would raise them again after a clean end."""
        yield
