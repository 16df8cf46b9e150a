"""A real `yesrank serve` on this machine, and the plain requests that the clients' answers are compared with."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "a-key-that-tests-use"
_START_SECONDS, _STOP_SECONDS = 60, 30
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Server:
    """Where it listens and the name of its model."""

    url: str
    model: str

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """A plain HTTP request: the decoded answer."""
        return json.loads(call(self.url + path, body))


def call(url: str, body: dict[str, Any] | None = None) -> bytes:
    """GET, or POST with a JSON body. Raises urllib.error.HTTPError and its like."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with _DIRECT.open(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return bytes(answer.read())


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Server]:
    """Starts the server with the built-in model, a key and an empty store; ends it with SIGTERM, which must give 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("YESRANK_")}
    environ |= {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder), "YESRANK_API_KEYS": KEY}
    command = [str(Path(sys.executable).with_name("yesrank")), "serve", "--port", str(port), *flags]
    log = folder / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, log)
        yield Server(url, json.loads(call(f"{url}/v1/models"))["data"][0]["id"])
        process.terminate()
        code = process.wait(_STOP_SECONDS)
        assert code == 0, f"ended with {code} on SIGTERM:\n{log.read_text()[-4000:]}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            call(f"{url}/ready")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server was not ready (exit code {process.poll()}):\n{log.read_text()[-4000:]}")
