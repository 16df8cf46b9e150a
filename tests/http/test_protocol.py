"""Bytes on the wire that no client library would send, and a few that some do."""

import json
import logging
import socket
import time

import pytest
from serving import Server, SlowScorer, serving, wait_for

from yesrank.serve.http import protocol
from yesrank.serve.settings import Settings

BODY = json.dumps({"query": "q", "documents": ["a", "b"]}).encode()
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n"


def head(path: str = "/v1/rerank", *more: bytes, length: int | None = len(BODY), verb: str = "POST") -> bytes:
    """The head of a request, with its empty line."""
    announced = b"" if length is None else b"Content-Length: %d\r\n" % length
    return f"{verb} {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + announced + b"".join(more) + b"\r\n"


def talk(server: Server, *parts: bytes, seconds: float = 5.0) -> tuple[list[int], str, bool]:
    """Statuses, all that came back, and whether the server closed the connection. Waits between the parts."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as client:
        found = b""
        for place, part in enumerate(parts):
            if place:
                found += client.recv(65536)  # until the part before it has an answer
            client.sendall(part)
        closed = False
        while not closed:
            try:
                got = client.recv(65536)
            except TimeoutError:
                break
            except ConnectionResetError:
                got = b""
            found, closed = found + got, not got
    statuses = [int(part[:3]) for part in found.decode().split("HTTP/1.1 ")[1:]]
    return statuses, found.decode(), closed


@pytest.fixture(scope="module")
def plain() -> object:
    with serving(scorer=SlowScorer()) as found:
        found.wait_ready()
        yield found


@pytest.mark.parametrize("path", ["/nothing", "/v1/rerank"])
def test_nonsense_after_an_answer_ends_the_connection_and_no_more(
    plain: Server, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    packed = b"Content-Encoding: br\r\n"  # refused before the body has come
    chunked = head(path, packed, b"Transfer-Encoding: chunked\r\n", length=None)
    statuses, _, closed = talk(plain, chunked, b"no length\r\n")
    assert (len(statuses), closed) == (1, True)
    wait_for(lambda: "Invalid HTTP request" in plain.log)
    assert "Fatal" not in plain.log + caplog.text
    assert plain.client.get("/health").status_code == 200


def test_an_offer_of_another_protocol_is_left_aside_without_a_word(plain: Server) -> None:
    before = plain.log.count("upgrade")
    statuses, text, _ = talk(
        plain, head("/v1/rerank", UPGRADE) + BODY, head("/v1/rerank", UPGRADE) + BODY, seconds=1
    )
    assert statuses == [200, 200], text
    assert plain.log.count("upgrade") == before
    assert "pip install" not in plain.log


def test_requests_one_behind_the_other(plain: Server) -> None:
    statuses, _, closed = talk(
        plain, 3 * (head() + BODY) + head("/health", b"Connection: close\r\n", length=0, verb="GET")
    )
    assert (statuses, closed) == ([200] * 4, True)


def test_a_head_that_began_behind_another_request_must_end_in_time_too() -> None:
    with serving(Settings(head_timeout=0.5), scorer=SlowScorer()) as server:
        assert talk(server, head("/health", length=0, verb="GET") + b"GET /hea", seconds=10)[::2] == (
            [200],
            True,
        )
        whole = 2 * head("/health", length=0, verb="GET")
        assert talk(server, whole, seconds=1.5)[::2] == ([200, 200], False)


def test_a_body_with_two_lengths_is_the_last_of_its_connection(plain: Server) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n"
    assert talk(plain, head("/v1/rerank", chunked, length=4) + CHUNKED)[::2] == ([200], True)
    assert talk(plain, head("/v1/rerank", chunked, length=None) + CHUNKED, seconds=1)[::2] == ([200], False)


@pytest.mark.parametrize(
    "path",
    [
        "http://a/v1/rerank",
        "HTTPS://a:1/v1/rerank",
        "//v1/rerank",
        "/v1//rerank/",
        "/v1/rerank/",
        "/v1/%72erank?x=%00",
    ],
)
def test_paths_as_clients_join_them(plain: Server, path: str) -> None:
    statuses, text, _ = talk(plain, head(path, b"Connection: close\r\n") + BODY)
    assert statuses == [200], text


def test_a_tidied_path_opens_nothing() -> None:
    with serving(Settings(api_keys=("a-key-of-mine",), root_path="/ranking"), scorer=SlowScorer()) as locked:
        for path in (
            "//v1/models",
            "/assets/../v1/models",
            "http://a/v1/models",
            "/health/../v1/models",
            "/ranking//metrics/",
            "/ranking/ranking/health",
        ):
            assert talk(locked, head(path, b"Connection: close\r\n", length=0, verb="GET"))[0][0] in (
                401,
                404,
            ), path
        for path in ("/ranking//health/", "//health", "http://a/ranking/health", "/ranking/", "http://a"):
            assert talk(locked, head(path, b"Connection: close\r\n", length=0, verb="GET"))[0] == [200], path


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/healthz",
        "/ready",
        "/info",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/v1/models",
        "/v1/models/builtin",
    ],
)
def test_head_wherever_there_is_get(plain: Server, path: str) -> None:
    answer = plain.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert set(plain.client.put(path).headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_what_asyncio_and_tracebacks_say_is_cut_down() -> None:
    with serving(scorer=SlowScorer()) as server:
        logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: secret words")
        logging.getLogger("uvicorn.error").error(
            "Traceback (most recent call last):\n  secret\nValueError: secret"
        )
        events = [json.loads(line)["event"] for line in server.log.splitlines()]
    assert {"Task exception was never retrieved", "ValueError"} <= set(events)
    assert "secret" not in server.log


def test_the_end_does_not_wait_for_a_body_that_is_not_coming() -> None:
    with serving(Settings(drain_timeout=20), scorer=SlowScorer()) as server:
        server.wait_ready()
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(head(length=100) + b"{")
            wait_for(lambda: server.app.state.service.active == 1)
            begun = time.monotonic()
            server.app.state.server.should_exit = True
            assert client.recv(65536).startswith(b"HTTP/1.1 503")
            assert time.monotonic() - begun < 5


@pytest.mark.parametrize("files", [64, 128, 256, 1024, 65536])
def test_connections_and_files_being_sent_leave_room_for_models(
    monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.setattr(protocol, "_open_files", lambda: files)
    sent, connections = protocol.most_files_sent(), protocol.most_connections()
    assert sent >= 4
    assert connections >= files // 2
    assert files - sent - connections >= min(64, files // 4)
