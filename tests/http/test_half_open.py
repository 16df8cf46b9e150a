"""Clients that end their side of the connection: those that wait get their answer, those that left cost no work."""

import json
import socket
import threading

import pytest
from serving import Server, SlowScorer, serving, wait_for

BODY = json.dumps({"query": "q", "documents": ["a", "bcd"]}).encode()
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(length: int = len(BODY), *more: bytes, version: bytes = b"1.1") -> bytes:
    """The head of a rerank request."""
    lines = [b"POST /v1/rerank HTTP/" + version, b"Host: localhost", b"Content-Length: %d" % length, *more]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def connect(server: Server) -> socket.socket:
    """A connection to it."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def half_closed(server: Server, sent: bytes) -> bytes:
    """All that comes back to a client that has ended its side."""
    with connect(server) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture(scope="module")
def scorer() -> SlowScorer:
    return SlowScorer()


@pytest.fixture(scope="module")
def plain(scorer: SlowScorer) -> object:
    with serving(scorer=scorer) as found:
        found.wait_ready()
        yield found


def parts(answer: bytes) -> list[tuple[bytes, bytes]]:
    """(status line, body) of each response."""
    found = []
    for each in answer.split(b"HTTP/1.1 ")[1:]:
        top, body = each.split(b"\r\n\r\n", 1)
        found.append((top.splitlines()[0], body))
    return found


@pytest.mark.parametrize(
    "sent",
    [
        head() + BODY,
        head(len(BODY), b"Connection: close") + BODY,
        head(len(BODY), b"Expect: 100-continue") + BODY,
        head(version=b"1.0") + BODY,
    ],
)
def test_an_answer_comes_whole_before_the_end(plain: Server, sent: bytes) -> None:
    answer = half_closed(plain, sent)
    assert answer.startswith(b"HTTP/1.1 ")
    status, body = parts(answer)[-1]
    assert status == b"200 OK"
    assert [each["index"] for each in json.loads(body)["results"]] == [1, 0]


def test_an_answer_that_takes_long(plain: Server, scorer: SlowScorer) -> None:
    """Long enough for a few bytes to be sent ahead of it."""
    scorer.seconds = 2.5
    try:
        [(status, body)] = parts(half_closed(plain, head() + BODY.replace(b"bcd", b"xyz")))
    finally:
        scorer.seconds = 0.0
    assert status == b"200 OK"
    assert len(json.loads(body)["results"]) == 2


def test_the_first_of_the_bytes_come_early(plain: Server, scorer: SlowScorer) -> None:
    scorer.seconds = 3.0
    try:
        with connect(plain) as client:
            client.sendall(head() + BODY.replace(b"bcd", b"uvw"))
            client.shutdown(socket.SHUT_WR)
            assert client.recv(65536) == b"H"
            rest = b"".join(iter(lambda: client.recv(65536), b""))
    finally:
        scorer.seconds = 0.0
    assert rest.startswith(b"TTP/1.1 200 OK\r\n")


def test_all_of_several_requests_are_answered(plain: Server) -> None:
    answers = parts(half_closed(plain, GET + head() + BODY + GET))
    assert [status for status, _ in answers] == [b"200 OK"] * 3


@pytest.mark.parametrize("sent", [head(length=500) + BODY, head()[:-10], GET + b"GET /hea"])
def test_a_request_that_is_not_whole_is_refused(plain: Server, sent: bytes) -> None:
    status, body = parts(half_closed(plain, sent))[-1]
    assert status == b"400 Bad Request"
    assert b"ended before the request did" in body
    assert b"Exception" not in plain.log.encode()
    wait_for(lambda: plain.app.state.service.active == 0)


def test_no_request_no_answer(plain: Server) -> None:
    assert half_closed(plain, b"") == b""


@pytest.mark.parametrize("reset", [False, True])
def test_work_of_a_client_that_is_gone_is_dropped(plain: Server, scorer: SlowScorer, reset: bool) -> None:
    """It says so by a reset, or just as one that waits does."""
    outcome = 'yesrank_scheduled_requests_total{model="builtin",outcome="cancelled"}'
    before = plain.metric(outcome)
    body = json.dumps({"query": "q", "documents": [f"{n} {reset} " * 300 for n in range(400)]}).encode()
    scorer.scored.clear()
    scorer.seconds = 0.2
    try:
        client = connect(plain)
        client.sendall(head(len(body)) + body)
        wait_for(lambda: plain.app.state.service.scheduler.snapshot().requests == 1)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        wait_for(lambda: plain.metric(outcome) == before + 1, 8)
    finally:
        scorer.seconds = 0.0
    assert sum(scorer.scored) < 400
    wait_for(lambda: not [each for each in plain.app.state.server.server_state.connections if each._ended])


def test_many_at_a_time(plain: Server) -> None:
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(half_closed(plain, head() + BODY))) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [parts(answer)[0][0] for answer in answers] == [b"200 OK"] * 40
