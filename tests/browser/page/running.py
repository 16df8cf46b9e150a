"""What the page is served by in tests: `yesrank serve` as its own process, and a plain static host."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from yesrank.manifest import read_manifest
from yesrank.serve.http import page

_SERVE = "from yesrank.cli.main import main; main()"
_LISTENS = re.compile(r"listens on (http://\S+?),? ")


@contextmanager
def yesrank_serve(*arguments: str) -> Iterator[str]:
    """The URL of a server of these models, on a port that was free."""
    command = [sys.executable, "-c", _SERVE, "serve", *arguments, "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YESRANK_")}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**environment, "COLUMNS": "200"}
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        yield _address(process.stderr, said) + "/"
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


def _address(stderr: Any, said: list[str]) -> str:
    for line in stderr:
        said.append(line)
        if found := _LISTENS.search(line):
            # the rest is read too, or the server stops when the pipe is full
            threading.Thread(target=_drain, args=(stderr, said), daemon=True).start()
            return found[1]
    raise AssertionError("yesrank serve did not start:\n" + "".join(said))


def _drain(stderr: Any, said: list[str]) -> None:
    with suppress(ValueError):  # closed at the end
        said.extend(stderr)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def static_host(root: Path, model: Path) -> Iterator[str]:
    """A host with the page in sub/page, with a models.json, and in sub/bare, without; the model is in sub/models."""
    for name in ("page", "bare"):
        page.publish(root / "sub" / name)
    shutil.copytree(model, root / "sub" / "models" / "small")
    manifest = read_manifest(model)
    assert manifest is not None
    variants = {"fp32": manifest.files["onnx/model.onnx"].bytes}
    listed = [{"id": "small", "path": "../models/small/", "variants": variants}]
    (root / "sub" / "page" / "models.json").write_text(json.dumps(listed))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
