"""Keys, limits, slow and vanished clients, and what must never be written down."""

import json
import socket
import threading
import time
from contextlib import suppress

import httpx
import pytest
from serving import Server, SlowScorer, serving, wait_for

from yesrank.errors import InputError
from yesrank.serve.http.body import Refused, decode
from yesrank.serve.settings import Settings, read_keys

GOOD = {"query": "q", "documents": ["a"]}
KEYS = ("first-key-0123", "second-key-4567")
CANARY = "zanzibar-canary-91"


@pytest.fixture(scope="module")
def locked() -> object:
    with serving(Settings(api_keys=KEYS, cors_origins=("https://a.example",)), scorer=SlowScorer()) as found:
        found.wait_ready()
        yield found


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEYS[0]}"},
        {"authorization": f"bearer {KEYS[1]}"},
        {"X-API-Key": KEYS[1]},
        {"api-key": KEYS[0]},
    ],
)
def test_any_key_in_any_place(locked: Server, headers: dict[str, str]) -> None:
    assert locked.rerank(GOOD, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": KEYS[0]},
        {"x-api-key": KEYS[0][:-1]},
        {"api-key": ""},
    ],
)
def test_no_key_no_answer(locked: Server, headers: dict[str, str]) -> None:
    answer = locked.rerank(GOOD, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"]
    for path in ("/v1/models", "/metrics", "/info", "/docs", "/openapi.json", "/nothing"):
        assert locked.client.get(path, headers=headers).status_code == 401
    for path in ("/health", "/ready"):
        assert locked.client.get(path, headers=headers).status_code == 200


def test_pages_of_elsewhere_change_nothing(locked: Server, server: Server) -> None:
    path, key = "/v1/models/builtin/unload", {"x-api-key": KEYS[0]}
    stranger = {
        "Origin": "https://b.example",
        "Content-Type": "text/plain",
    }  # sent without a preflight
    answer = server.client.post(path, headers=stranger)
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "pages of other origins may not ask for this; "
        "allow theirs: --cors-origin ORIGIN, or YESRANK_SERVE_CORS_ORIGINS",
    )
    own = {"Origin": f"http://{server.client.base_url.netloc.decode()}"}
    assert server.client.post(path, headers=own).status_code == 200
    assert locked.client.post(path, headers={**key, "Origin": "https://a.example"}).status_code == 200
    for each in (server, locked):
        assert each.rerank(GOOD, headers=key).status_code == 200


def test_cors_only_for_those_named(locked: Server, server: Server) -> None:
    def allowed(at: Server, origin: str) -> str | None:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return at.client.options("/v1/rerank", headers=asked).headers.get("access-control-allow-origin")

    assert allowed(locked, "https://a.example") == "https://a.example"
    assert allowed(locked, "https://b.example") is None
    assert allowed(server, "https://a.example") is None


def test_pages_of_a_named_origin_can_read_refusals(locked: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the header a browser tells the page's code of a network error, and nothing of the key."""

    def crash(*_: object) -> None:
        raise RuntimeError

    origin = {"Origin": "https://a.example"}
    monkeypatch.setattr("yesrank.serve.endpoints.pages.models", crash)
    for headers, status in ((origin, 401), ({**origin, "x-api-key": KEYS[0]}, 500)):
        answer = locked.client.get("/v1/models", headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
        assert answer.json()["id"] == answer.headers["x-request-id"]


def test_limits_of_one_request() -> None:
    settings = Settings(max_body_bytes=2000, max_documents=3, max_characters=500)
    with serving(settings, scorer=SlowScorer()) as server:
        assert server.rerank({"query": "q", "documents": ["a"] * 3}).status_code == 200
        for documents in (["a"] * 4, ["a" * 600], ["a" * 3000]):
            answer = server.rerank({"query": "q", "documents": documents})
            assert answer.status_code == 413, answer.text
            assert answer.json()["message"]

        def chunks() -> object:  # without Content-Length
            yield from [b"x" * 500] * 10

        assert server.client.post("/v1/rerank", content=chunks()).status_code == 413
        assert server.rerank(GOOD).status_code == 200


def test_queries_and_instructions_are_bounded() -> None:
    """To find that 30 MB leave no room for a document would take a tokenizer 20 seconds and gigabytes."""
    with serving(Settings(max_query_characters=100), scorer=SlowScorer()) as server:
        bodies = [
            {"query": "w" * 101, "documents": ["a"]},
            {"query": "q", "documents": ["a"], "instruction": "w" * 101},
            {"queries": ["q", "w" * 101], "documents": ["a", "b"]},
        ]
        assert [server.rerank(body).status_code for body in bodies] == [413] * 3
        assert server.rerank({"query": "w" * 100, "documents": ["a" * 101]}).status_code == 200


@pytest.mark.parametrize("part", ["word another ", "x", "1", " ", "=\n", "\u4e2d\u6587", "\U0001f600"])
def test_a_document_of_any_length_is_cut(server: Server, part: str) -> None:
    """Also where it has no gaps between words; with the score of its beginning."""
    start = "Dogs bark, and cats purr. "
    long, short = (start + part * (characters // len(part)) for characters in (5_000_000, 150_000))
    query = {"query": "Who barks?", "max_tokens_per_doc": 20}
    answer = server.rerank({**query, "documents": [long, "Cats purr."]})
    assert answer.status_code == 200
    scores = {each["index"]: each["relevance_score"] for each in answer.json()["results"]}
    found = server.rerank({**query, "documents": [short, "Cats purr."]}).json()["results"]
    assert scores == {each["index"]: each["relevance_score"] for each in found}


def test_a_body_far_too_large_gets_its_answer() -> None:
    """Clients send all of a body before they read: the connection must stay open for that long."""
    with serving(Settings(max_body_bytes=1 << 20), scorer=SlowScorer()) as server:
        for content in (b"x" * (20 << 20), (b"x" * (1 << 20) for _ in range(20))):
            assert server.client.post("/v1/rerank", content=content).status_code == 413


def test_a_full_queue() -> None:
    scorer = SlowScorer(seconds=1.0)
    with serving(Settings(max_queue_requests=2), scorer=scorer) as server:
        server.wait_ready()
        answers: list[httpx.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(server.rerank(GOOD))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200, 200, 429, 429, 429, 429]
        assert all(int(each.headers["retry-after"]) >= 1 for each in answers if each.status_code == 429)
        scorer.seconds = 0
        assert server.rerank(GOOD).status_code == 200


def _connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_slow_clients_are_let_go() -> None:
    settings = Settings(head_timeout=0.5, body_timeout=0.5)
    with serving(settings, scorer=SlowScorer()) as server:
        server.wait_ready()
        begun = time.monotonic()
        with _connect(server) as silent, _connect(server) as headless, _connect(server) as bodyless:
            headless.sendall(b"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\n")
            bodyless.sendall(b"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            assert silent.recv(100) == b""
            assert headless.recv(100) == b""
            assert bodyless.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begun < 5
        assert server.rerank(GOOD).status_code == 200


def test_a_client_that_drips_its_head_is_let_go() -> None:
    with serving(Settings(head_timeout=0.5), scorer=SlowScorer()) as server, _connect(server) as client:
        begun = time.monotonic()
        with pytest.raises(OSError):
            client.sendall(b"GET /health HTTP/1.1\r\n")
            while time.monotonic() - begun < 10:
                client.sendall(b"X: y\r\n")
                time.sleep(0.05)
        assert time.monotonic() - begun < 5


def test_work_of_a_client_that_left_is_dropped() -> None:
    scorer = SlowScorer(seconds=0.3)
    with serving(scorer=scorer) as server:
        server.wait_ready()
        scorer.scored.clear()
        body = json.dumps({"query": "q", "documents": [f"{number} " * 300 for number in range(200)]}).encode()
        with _connect(server) as client:
            head = f"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            wait_for(lambda: bool(scorer.scored))
        wait_for(lambda: '"status": 499' in server.log, 5)
        assert server.metric('yesrank_scheduled_requests_total{model="builtin",outcome="cancelled"}') == 1
        assert sum(scorer.scored) < 100
        assert server.rerank(GOOD).status_code == 200


def test_health_answers_at_once_while_a_large_request_runs(server: Server) -> None:
    """The built-in model, 10 000 documents; the worst of many probes must stay far below a probe's patience."""
    words = ["river", "mountain", "paper", "window", "green", "seven", "lamp", "orbit", "salt", "train"]
    documents = [
        " ".join(words[(number * step) % 10] for step in range(1, 8)) + f" {number}"
        for number in range(10_000)
    ]
    begun, waits = time.monotonic(), []

    def ask() -> None:
        with suppress(httpx.ReadTimeout):
            server.rerank({"query": "q", "documents": documents}, timeout=6)

    work = threading.Thread(target=ask)
    work.start()
    with httpx.Client(base_url=server.url) as client:
        while work.is_alive():
            asked = time.monotonic()
            assert client.get("/health").status_code == 200
            waits.append(time.monotonic() - asked)
            time.sleep(0.02)
    work.join()
    waits.sort()
    assert time.monotonic() - begun > 2
    assert waits[len(waits) // 2] < 0.05
    assert waits[int(len(waits) * 0.99)] < 0.5
    wait_for(lambda: server.metric("yesrank_queue_requests") == 0)


def test_no_text_is_written_down() -> None:
    scorer = SlowScorer()
    with serving(Settings(max_documents=5), scorer=scorer) as server:
        server.wait_ready()
        bodies = [
            {"query": CANARY, "documents": [CANARY], "instruction": CANARY},
            {"query": CANARY, "documents": [CANARY, {CANARY: 1}]},
            {"query": {CANARY: 1}, "documents": CANARY},
            {"query": "q", "texts": [CANARY] * 9},
            {"query": "q", "documents": ["a"], "model": CANARY},
            {"query": "q", "documents": ["a"], "top_n": CANARY},
            {CANARY: CANARY},
        ]
        answers = [server.rerank(body) for body in bodies]
        answers += [server.client.post("/v1/rerank", content=f"[{CANARY}")]
        # of what it does not know, the server's log and its answer name the path, never what follows it
        answers += [server.client.get(f"/nothing?q={CANARY}"), server.client.get(f"/v1/models/{CANARY}")]
        scorer.fail = RuntimeError(CANARY)
        answers += [server.rerank(bodies[0])]
        assert [answer.status_code for answer in answers][:2] == [200, 400]
        wait_for(lambda: server.log.count('"event": "request"') >= len(answers))
        assert CANARY not in server.log
        assert CANARY not in server.client.get("/metrics").text
        assert not [answer.text for answer in answers if CANARY in answer.text]


def test_settings_flags_before_environment_before_defaults() -> None:
    environment = {
        "YESRANK_SERVE_PORT": "9000",
        "YESRANK_SERVE_HOST": "::1",
        "YESRANK_API_KEYS": "abcdefgh, ijklmnop",
    }
    found = Settings.resolve({"port": 9001, "host": None}, environment)
    assert (found.port, found.host, found.timeout) == (9001, "::1", 300.0)
    assert found.api_keys == ("abcdefgh", "ijklmnop")
    assert "abcdefgh" not in repr(found)


@pytest.mark.parametrize(
    ("flags", "environment", "field"),
    [
        ({"prot": 1}, {}, "prot"),
        ({}, {"YESRANK_SERVE_PROT": "1"}, "YESRANK_SERVE_PROT"),
        ({}, {"YESRANK_SERVE_PORT": "tcp://10.0.0.1:80"}, "YESRANK_SERVE_PORT"),
        ({"port": 70_000}, {}, "port"),
        ({"timeout": 0}, {}, "timeout"),
        ({"api_keys": ("short",)}, {}, "api_key"),
        ({"log_format": "xml"}, {}, "log_format"),
        ({"root_path": "x"}, {}, "root_path"),
        ({"cors_origins": ("a.example",)}, {}, "cors_origin"),
        ({}, {"YESRANK_SERVE_CORS_ORIGINS": "*,https://a.example/"}, "cors_origin"),
        ({"allowed_hosts": ("http://a.example",)}, {}, "allowed_host"),
        ({"allowed_hosts": ("a.example:80",)}, {}, "allowed_host"),
        ({"max_documents": 0}, {}, "max_documents"),
    ],
)
def test_settings_that_are_wrong(flags: dict[str, object], environment: dict[str, str], field: str) -> None:
    with pytest.raises(InputError) as caught:
        Settings.resolve(flags, environment)
    assert caught.value.field == field


def test_keys_from_a_file(tmp_path: object) -> None:
    path = tmp_path / "keys"  # type: ignore[operator]
    path.write_text("# of the office\nabcdefgh\n\n  ijklmnop \n")
    assert read_keys(path) == ("abcdefgh", "ijklmnop")
    path.write_text("# none\n")
    with pytest.raises(InputError):
        read_keys(path)


@pytest.mark.parametrize(
    ("raw", "refused"),
    [
        (b"[" + b"[]," * 5000 + b"[]]", True),
        (b'["' + b'","' * 5000 + b'"]', True),
        (b'["' + b'\\"' * 50_000, False),  # a string that never ends: for the decoder to complain of
        (b'["' + b"[{,}]" * 50_000 + b'"]', False),
        (b'["' + b'\\"[{,}]' * 50_000 + b'"]', False),
    ],
)
def test_bodies_that_would_take_long_to_decode(raw: bytes, refused: bool) -> None:
    begun = time.monotonic()
    if refused:
        with pytest.raises(Refused):
            decode(raw, 1000)
    else:
        with suppress(InputError):
            decode(raw, 1000)
    assert time.monotonic() - begun < 0.5


def test_answers_are_not_held_back(server: Server) -> None:
    """Without TCP_NODELAY each answer on a kept connection waits for the client's delayed acknowledgement, 40 ms."""
    server.client.get("/health")
    waits = []
    for _ in range(20):
        begun = time.monotonic()
        server.client.get("/health")
        waits.append(time.monotonic() - begun)
    assert sorted(waits)[10] < 0.03
