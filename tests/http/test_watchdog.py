"""A process whose loop stands still ends with its reason; one that was stopped itself, or is slow, does not."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from serving import wait_for

from yesrank.errors import InputError
from yesrank.serve.settings import Settings
from yesrank.serve.watch import watchdog
from yesrank.serve.watch.watchdog import FROZEN, Watchdog

GOOD = {"query": "Who barks?", "documents": ["a secret text", "Cats purr."]}

# a server with a path that freezes it: by computing, by waiting, or with the log's own lock in its hands
PROGRAM = """
import logging, sys, threading
from yesrank.serve.watch import logs
from yesrank.serve.app import create_app
from yesrank.serve.run import bind, run
from yesrank.serve.settings import Settings
from yesrank.store import builtin_entry

settings = Settings(port=0, load="none", watchdog=float(sys.argv[1]))
app = create_app(settings, [builtin_entry()])

async def freeze(how: str, text: str):
    if how == "log":
        logging.getLogger("yesrank").handlers[0].acquire()
    if how == "wait":
        threading.Event().wait()
    while True:
        pass

app.add_api_route("/freeze/{how}", freeze)
logs.set_up("json")
listener = bind(settings)
print(listener.getsockname()[1], flush=True)
run(app, settings, listener)
"""


@contextmanager
def server(seconds: float) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    command = [sys.executable, "-c", PROGRAM, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            with httpx.Client(base_url=url, timeout=30) as client:
                wait_for(lambda: client.get("/health").status_code == 200, 30)
                yield process, client
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["compute", "wait", "log"])
def test_a_loop_that_stands_still_ends_the_process(how: str) -> None:
    with server(2.0) as (process, client):
        with pytest.raises(httpx.HTTPError):
            client.get(f"/freeze/{how}", params={"text": "a secret text"})
        assert process.wait(60) == FROZEN
        assert process.stderr is not None
        said = process.stderr.read()
        assert "secret" not in said
        if how != "log":
            assert "stands still" in said
            assert " freeze" in said  # the place


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_time_in_which_the_process_is_stopped_does_not_count() -> None:
    with server(2.0) as (process, client):
        os.kill(process.pid, signal.SIGSTOP)
        with suppress(subprocess.TimeoutExpired):
            process.wait(3.0)
        os.kill(process.pid, signal.SIGCONT)
        assert client.get("/health").status_code == 200
        assert process.poll() is None


def test_only_ticks_in_a_row_without_a_sign_of_life_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks are given by hand: the loop stands still for all but one, again and again, and then for good."""
    ended, tick, ticked = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)
    monkeypatch.setattr(watchdog, "_TICKS", 5)
    monkeypatch.setattr(Watchdog, "_end", lambda *_: ended.set())

    class Ticks(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            ticked.release()
            tick.acquire()
            return self.is_set()

    async def main() -> None:
        dog = Watchdog(60)
        dog._over = Ticks()
        dog.watch(asyncio.get_running_loop())
        for standing in (5, 5, 5, 6):
            for _ in range(standing):
                ticked.acquire()
                assert not ended.is_set()
                tick.release()
            ticked.acquire()
            if standing == 5:
                await asyncio.sleep(0.01)
                await asyncio.sleep(0.01)
            ticked.release()
        assert ended.is_set()
        dog._over.set()
        tick.release(2)

    asyncio.run(main())


def test_the_setting() -> None:
    assert Settings().watchdog == 60
    assert Settings.resolve({}, {"YESRANK_SERVE_WATCHDOG": "0"}).watchdog == 0
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(InputError, match="watchdog"):
            Settings(watchdog=wrong)
    with Watchdog(0) as dog:
        asyncio.run(_watch(dog))
        assert dog._thread is None


async def _watch(dog: Watchdog) -> None:
    dog.watch(asyncio.get_running_loop())
