"""The process: how it begins, and how it ends at a bad moment."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from serving import wait_for

GOOD = {"query": "Who barks?", "documents": ["Dogs bark.", "Cats purr."]}
COMMAND = (sys.executable, "-c", "from yesrank.cli.main import main; main()", "serve")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


class Process:
    """`yesrank serve` in a process of its own, with its standard error collected."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.lines = process, list[str]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
        self.process.stderr.close()

    def url(self) -> str:
        wait_for(lambda: any("listens on" in line for line in self.lines), 30)
        return (
            next(line for line in self.lines if "listens on" in line)
            .split("listens on ")[1]
            .split(",")[0]
            .strip()
        )

    def ended(self, seconds: float = 30) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code


@contextmanager
def serve(
    tmp_path: Path, *arguments: str, command: tuple[str, ...] = COMMAND, **environment: str
) -> Iterator[Process]:
    variables = {**os.environ, "YESRANK_CONFIG": str(tmp_path / "none.toml"), **environment}
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, env=variables)
    found = Process(process)
    try:
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        found.ended()


def ready(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        wait_for(lambda: client.get("/ready").status_code == 200, 30)


def metric(url: str, line: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        wait_for(lambda: line in client.get("/metrics").text, 20)


def test_it_says_what_it_serves_and_that_the_built_in_model_is_a_small_one(tmp_path: Path) -> None:
    with serve(tmp_path, "--port", "0", "--lazy") as server:
        server.url()
        wait_for(lambda: any("serves builtin, a small one" in line for line in server.lines), 10)


def test_sigterm_finishes_what_was_accepted_and_exits_with_0(tmp_path: Path) -> None:
    with serve(tmp_path, "--port", "0", "--log-format", "json") as server:
        url = server.url()
        ready(url)
        body = {"query": "q", "documents": [f"{number} words of a document" * 8 for number in range(600)]}
        answers: list[httpx.Response] = []
        work = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/v1/rerank", json=body, timeout=60))
        )
        with httpx.Client(base_url=url, timeout=30) as client:
            work.start()
            wait_for(lambda: "yesrank_queue_requests 1.0" in client.get("/metrics").text)
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: any('"draining"' in line for line in server.lines))
            if work.is_alive():
                assert client.get("/ready").status_code == 503
                late = client.post("/v1/rerank", json=GOOD)
                assert late.status_code == 503
                assert int(late.headers["retry-after"]) >= 1
        work.join(60)
        assert server.ended() == 0
    assert answers[0].status_code == 200
    assert len(answers[0].json()["results"]) == 600
    assert all(json.loads(line) for line in server.lines if line.startswith("{"))


def test_sigterm_at_any_moment_of_the_start(tmp_path: Path) -> None:
    for delay in (0.0, 0.15, 0.6):
        with serve(tmp_path, "--port", "0") as server:
            server.url()
            time.sleep(delay)
            server.process.send_signal(signal.SIGTERM)
            assert server.ended() == 0, server.lines


def test_the_grace_time_has_an_end(tmp_path: Path) -> None:
    with serve(tmp_path, "--port", "0", YESRANK_SERVE_DRAIN_TIMEOUT="0.5") as server:
        url = server.url()
        ready(url)
        body = {"query": "q", "documents": [f"{number} words of a document" * 50 for number in range(1500)]}
        failures: list[object] = []

        def ask() -> None:
            try:
                failures.append(httpx.post(f"{url}/v1/rerank", json=body, timeout=60).status_code)
            except httpx.HTTPError as error:
                failures.append(error)

        work = threading.Thread(target=ask)
        work.start()
        metric(url, "yesrank_queue_requests 1.0")
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        assert time.monotonic() - begun < 15
        work.join(20)
        assert failures != [200]


def test_kill_and_restart_on_the_same_port(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for _ in range(2):
        with serve(tmp_path, "--port", port) as server:
            url = server.url()
            ready(url)
            assert httpx.post(f"{url}/v1/rerank", json=GOOD, timeout=30).status_code == 200
            server.process.kill()
            assert server.ended() == -signal.SIGKILL


def test_more_connections_than_open_files_are_turned_away_one_by_one(tmp_path: Path) -> None:
    """Left to asyncio, each of them would be thousands of lines in the log."""
    few_files = ("sh", "-c", 'ulimit -n 128; exec "$@"', "sh", *COMMAND)
    with serve(tmp_path, "--port", "0", command=few_files) as server, ExitStack() as opened:
        url = server.url()
        ready(url)
        kept = opened.enter_context(httpx.Client(base_url=url, timeout=10))
        assert kept.get("/health").status_code == 200
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        idle = [opened.enter_context(socket.create_connection(address, 10)) for _ in range(180)]
        assert idle[-1].recv(100).startswith(b"HTTP/1.1 503")
        found = kept.get("/metrics").text
        assert 'yesrank_errors_total{kind="TooManyConnections"}' in found
        for client in idle:
            client.close()
        ready(url)
        assert "out of system resource" not in "".join(server.lines)


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serve(tmp_path, "--port", str(taken.getsockname()[1])) as server:
            assert server.ended() == 1
    assert server.lines[0].startswith("error: cannot listen on 127.0.0.1 port")
    assert "--port" in server.lines[1]


@pytest.mark.parametrize("host", ["nonsense.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_not_blamed_on_the_port(tmp_path: Path, host: str) -> None:
    with serve(tmp_path, "--host", host, "--port", "0", YESRANK_API_KEYS="abcdefgh") as server:
        assert server.ended() == 1
    assert server.lines[0].startswith(f"error: cannot listen on {host}")
    assert "--host" in server.lines[1]


def test_open_to_others_without_a_key_is_warned_about(tmp_path: Path) -> None:
    with serve(tmp_path, "--host", "0.0.0.0", "--port", "0", "--lazy") as server:
        assert server.url()
        assert "no API key is set" in "".join(server.lines)
    with serve(tmp_path, "--host", "0.0.0.0", "--port", "0", "--lazy", YESRANK_API_KEYS="abcdefgh") as server:
        url = server.url().replace("0.0.0.0", "127.0.0.1")
        assert httpx.post(f"{url}/v1/rerank", json=GOOD, timeout=30).status_code == 401
        assert "no API key" not in "".join(server.lines)


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    with serve(tmp_path, "no-such-model", "--port", "0") as server:
        assert server.ended() == 1
    assert "no-such-model" in server.lines[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
def test_a_full_disk_under_the_log_and_the_caches_stops_nobody(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # neither a file nor a folder can be made below a device
    places = {"HOME": "/dev/full", "XDG_CACHE_HOME": "/dev/full/c", "YESRANK_HASHES": "/dev/full/h.sqlite"}
    command = [*COMMAND, "builtin", "--port", str(port)]
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen(command, stderr=full, stdout=full, env={**os.environ, **places}) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        try:
            wait_for(lambda: _is_ready(client), 60)
            for _ in range(20):
                assert client.post("/v1/rerank", json=GOOD).status_code == 200
                assert client.post("/nothing", json={}).status_code == 404
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.ConnectError:
        return False
