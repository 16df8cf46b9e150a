"""TERM, INT and HUP in every order, with work in flight: what was accepted is answered, or the end comes at once."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from serving import wait_for
from test_app_process import Process, metric, ready, serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

TERM, INT, HUP = (getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP"))
BODY = {"query": "q", "documents": [f"{number} words of a document" * 8 for number in range(100)]}
SLOW = (
    sys.executable,
    "-c",
    "import time; from yesrank.models.reranker import Reranker; real = Reranker.logits\n"
    "def slow(self, prompts): time.sleep(0.15); return real(self, prompts)\n"
    "Reranker.logits = slow; from yesrank.cli.main import main; main()",
    "serve",
)
"""The server, whose engine takes long enough for a request to be there when a signal comes."""


@contextmanager
def working(tmp_path: Path) -> Iterator[tuple[Process, list[int], threading.Thread]]:
    """A server with a request in it: the process, the request's status once there is one, its thread."""
    with serve(tmp_path, "--port", "0", "--log-format", "json", command=SLOW) as server:
        url = server.url()
        ready(url)
        statuses: list[int] = []

        def ask() -> None:
            try:
                statuses.append(httpx.post(f"{url}/v1/rerank", json=BODY, timeout=60).status_code)
            except httpx.HTTPError:
                statuses.append(0)

        thread = threading.Thread(target=ask)
        thread.start()
        metric(url, "yesrank_queue_requests 1.0")
        yield server, statuses, thread
        thread.join(30)


def send(server: Process, *numbers: int | None) -> None:
    """Signals, each after the one before has been noticed."""
    for place, number in enumerate(numbers):
        assert number is not None
        if place:
            wait_for(lambda: any('"draining"' in line for line in server.lines))
        server.process.send_signal(number)


def quiet(server: Process) -> bool:
    """Whether nothing like a traceback was written."""
    text = "".join(server.lines)
    return not any(word in text for word in ("Traceback", "Error", "Exception", "Cancel"))


@pytest.mark.parametrize("order", [(TERM, HUP, TERM), (INT, TERM), (HUP,)], ids=str)
def test_what_was_accepted_is_answered(tmp_path: Path, order: tuple[int, ...]) -> None:
    with working(tmp_path) as (server, statuses, thread):
        send(server, *order)
        thread.join(30)
        assert statuses == [200], server.lines
        assert server.ended() == 0
    assert quiet(server), server.lines


@pytest.mark.parametrize("first", [INT, TERM, HUP])
def test_ctrl_c_after_that_ends_at_once_with_a_line(tmp_path: Path, first: int) -> None:
    with working(tmp_path) as (server, statuses, _):
        begun = time.monotonic()
        send(server, first, INT)
        assert server.ended() == 130
        assert time.monotonic() - begun < 3
    assert statuses == [0]
    assert server.lines[-1] == "yesrank: ended at once, without what was unfinished\n"
    assert quiet(server), server.lines


@pytest.mark.parametrize("number", [TERM, INT, HUP])
def test_a_signal_before_there_is_a_server(tmp_path: Path, number: int) -> None:
    with serve(tmp_path, "--port", "0") as server:
        server.url()
        server.process.send_signal(number)
        assert server.ended() == 0, server.lines
    assert quiet(server), server.lines


def test_nohup_is_honoured(tmp_path: Path) -> None:
    ignoring = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *SLOW)
    with serve(tmp_path, "--port", "0", command=ignoring) as server:
        url = server.url()
        ready(url)
        server.process.send_signal(HUP)
        assert (
            httpx.post(f"{url}/v1/rerank", json={**BODY, "documents": ["a"]}, timeout=30).status_code == 200
        )
        assert server.process.poll() is None
        server.process.send_signal(TERM)
        assert server.ended() == 0


def test_a_client_that_does_not_read_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with serve(tmp_path, "--port", "0") as server:
        url = server.url()
        ready(url)
        request = {"query": "q", "documents": ["x " * 50_000] * 160, "return_documents": True}
        body = {**request, "max_tokens_per_doc": 1}
        with (
            httpx.Client(base_url=url, timeout=60) as client,
            client.stream("POST", "/v1/rerank", json=body) as answer,
        ):
            assert answer.status_code == 200
            server.process.send_signal(TERM)
            assert server.ended() == 0
    assert quiet(server), server.lines
