"""Spans, where the extra is installed and asked for; nothing at all where it is not."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from serving import SlowScorer, serving, wait_for

from yesrank.serve.watch import tracing

CANARY = b"zanzibar-canary-91"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A collector of traces on loopback: the bodies that it was sent."""
    received: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        monkeypatch.setenv(tracing.ENDPOINT, f"http://127.0.0.1:{found.server_address[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        tracing.tracer.cache_clear()
        yield received
        if tracing.tracer() is not None:
            from opentelemetry import trace

            trace.get_tracer_provider().shutdown()  # type: ignore[attr-defined]
        found.shutdown()
    tracing.tracer.cache_clear()


def test_spans_of_a_request(collector: list[bytes]) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="pip install 'yesrank[otel]' has it")
    parent = "4bf92f3577b34da6a3ce929d0e0e4736"
    with serving(scorer=SlowScorer()) as server:
        server.wait_ready()
        body = {"query": CANARY.decode(), "documents": [CANARY.decode()]}
        headers = {"traceparent": f"00-{parent}-00f067aa0ba902b7-01", "X-Request-Id": "the-id"}
        assert server.rerank(body, headers=headers).status_code == 200
        wait_for(
            lambda: all(name in b"".join(collector) for name in (b"rerank", b"parse", b"tokenize", b"score"))
        )
    sent = b"".join(collector)
    assert bytes.fromhex(parent) in sent
    assert b"the-id" in sent
    assert CANARY not in sent


def test_no_tracer_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    tracing.tracer.cache_clear()
    assert tracing.tracer() is None
