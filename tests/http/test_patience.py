"""Clients that ask for much and do not read it: they are let go, and meanwhile others are served."""

import hashlib
import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from serving import Server, SlowScorer, serving, wait_for

from yesrank.manifest import FileEntry, Manifest, write_manifest
from yesrank.serve.http.admission import Downloads
from yesrank.serve.settings import Settings
from yesrank.store import Entry

GRAPH = bytes(range(256)) * 4096 * 17  # 17 MiB: more than the two systems keep between them
TOKENIZER = b"{}" * 6_000_000
FILE = "/models/large/resolve/main/onnx/model_quantized.onnx"


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    home = tmp_path_factory.mktemp("models") / "large"
    (home / "onnx").mkdir(parents=True)
    (home / "onnx/model_quantized.onnx").write_bytes(GRAPH)
    (home / "tokenizer.json").write_bytes(TOKENIZER)
    (home / "config.json").write_bytes(b"{}")
    files = {
        name: FileEntry(len(content), hashlib.sha256(content).hexdigest())
        for name, content in [
            ("onnx/model_quantized.onnx", GRAPH),
            ("tokenizer.json", TOKENIZER),
            ("config.json", b"{}"),
        ]
    }
    write_manifest(
        home, Manifest("0", "s", None, {}, "q8", "card", {"yes": 1, "no": 0}, 512, 512, files=files)
    )
    return [Entry("large", Path(home))]


def connect(server: Server) -> socket.socket:
    """A connection whose client's system takes little in advance."""
    host, port = server.url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.settimeout(20)
    client.connect((host, int(port)))
    return client


def ask(server: Server, path: str, *more: str) -> socket.socket:
    """A connection that has asked for it."""
    client = connect(server)
    client.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode())
    return client


def connections(server: Server) -> int:
    """How many the server has."""
    return len(server.app.state.server.server_state.connections)


def test_a_client_that_does_not_read_its_file_is_let_go(entries: list[Entry]) -> None:
    with serving(Settings(send_timeout=0.5), entries, SlowScorer()) as server:
        downloads = server.app.state.service.downloads
        with ask(server, FILE), ask(server, FILE, "Connection: close"):
            wait_for(lambda: downloads.now == 2)
            wait_for(lambda: downloads.now == 0 and connections(server) == 0)
        assert "Exception" not in server.log


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_does_not_read_its_json_is_let_go(version: str) -> None:
    """The answer is in memory, and longer than the system takes."""
    request = {"query": "q", "return_documents": True, "documents": ["x" * 100_000] * 160}
    body = json.dumps({**request, "max_tokens_per_doc": 1}).encode()
    with serving(Settings(send_timeout=0.5), scorer=SlowScorer()) as server:
        server.wait_ready()
        server.client.close()
        wait_for(lambda: connections(server) == 0)
        with connect(server) as client:
            head = f"POST /v1/rerank HTTP/{version}\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            assert client.recv(12) == b"HTTP/1.1 200"
            wait_for(lambda: connections(server) == 0)
        assert "Exception" not in server.log


def test_a_slow_reader_gets_all_of_it(entries: list[Entry]) -> None:
    """It takes far longer than the time-out, with pauses below it."""
    with serving(Settings(send_timeout=1), entries, SlowScorer()) as server:
        with ask(server, FILE, "Connection: close") as client:
            found = bytearray()
            while got := client.recv(1 << 20):
                found += got
                time.sleep(0.1 if len(found) < 2 << 20 else 0)
        assert bytes(found).endswith(GRAPH)


def test_more_files_than_places_are_refused_and_others_served(entries: list[Entry]) -> None:
    with serving(Settings(), entries, SlowScorer()) as server, ExitStack() as opened:
        server.wait_ready()
        server.app.state.service.downloads = Downloads(4)
        for _ in range(3):
            opened.enter_context(ask(server, FILE))
        wait_for(lambda: server.app.state.service.downloads.now == 3)
        refused = server.client.get(FILE)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert server.client.head(FILE).status_code == 429
        assert server.rerank({"query": "q", "documents": ["a"]}).status_code == 200
        assert server.client.get("/").status_code == 200
        tokenizer = FILE.replace("onnx/model_quantized.onnx", "tokenizer.json")
        assert (
            server.client.get(tokenizer).content == TOKENIZER
        )  # a place is kept for those that are not large
        opened.enter_context(ask(server, tokenizer))
        wait_for(lambda: server.app.state.service.downloads.now == 4)
        assert server.client.get(tokenizer).status_code == 429
        assert server.client.get(tokenizer.replace("tokenizer", "config")).content == b"{}"
        opened.close()
        wait_for(lambda: server.app.state.service.downloads.now == 0)
        assert server.client.get(FILE).content == GRAPH
