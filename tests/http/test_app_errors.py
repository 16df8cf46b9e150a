"""What is answered when something is wrong: status, field, shape; and never more than that."""

import json
import re
from dataclasses import replace

import pytest
from serving import Server, SlowScorer, serving, wait_for

from yesrank.errors import DeviceMissing, EngineError, InputError, ModelError, ModelNotFound
from yesrank.serve.settings import Settings
from yesrank.store import builtin_entry

GOOD = {"query": "q", "documents": ["a"]}


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"   ", 400, "empty"),
        (b"{", 400, "line 1"),
        (b'{"query": "\xff"}', 400, "UTF-8"),
        (b"[1, 2]", 400, "object"),
        (b'"text"', 400, "object"),
        (b"null", 400, "object"),
        (b'{"query": NaN, "documents": ["a"]}', 400, "number"),
        (b'{"query": "q", "top_n": ' + b"9" * 5000 + b"}", 400, "number"),
        (b"[" * 200_000, 400, "nested"),
        (b'{"a":' * 100_000, 400, "nested"),
        (b'{"documents": ["a"]}', 400, "query"),
        (b'{"query": " \\n\\u200b", "documents": ["a"]}', 400, "query: is missing or empty"),
        (b'{"text_1": ["q", " "], "text_2": ["a", "b"]}', 400, "query: is empty"),
        (b'{"query": "q"}', 400, "documents"),
        (b'{"query": "q", "documents": []}', 400, "documents"),
        (b'{"query": "q", "documents": ["a", 3]}', 400, "documents[1]"),
        (b'{"query": 3, "documents": ["a"]}', 400, "query"),
        (b'{"query": "q", "documents": ["a"], "top_n": -1}', 400, "top_n"),
        (b'{"query": "q", "documents": ["a"], "model": "other"}', 404, "builtin"),
        (b'{"text_1": ["q", "r"], "text_2": ["a", "b", "c"]}', 400, ""),
    ],
)
def test_bad_bodies(server: Server, raw: bytes, status: int, words: str) -> None:
    answer = server.client.post("/v1/rerank", content=raw)
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert words in found["message"]
    assert found["message"] == found["detail"] == found["error"]["message"]
    assert found["id"] == answer.headers["x-request-id"]


def test_a_byte_order_mark_is_no_error(server: Server) -> None:
    assert (
        server.client.post("/rerank", content=b"\xef\xbb\xbf" + json.dumps(GOOD).encode()).status_code == 200
    )


def test_lone_surrogates_come_through(server: Server) -> None:
    raw = b'{"query": "a\\ud800", "documents": ["b\\udfff", "c"], "return_documents": true}'
    answer = server.client.post("/v1/rerank", content=raw)
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 2


def test_errors_for_tei_clients_are_strings(server: Server) -> None:
    answer = server.rerank({"query": "", "texts": ["a"]}, "/rerank")
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)
    assert answer.json()["error_type"] == "Empty"


def test_errors_before_the_body_is_read_are_strings_where_tei_clients_ask(server: Server) -> None:
    broken = server.client.post("/rerank", content=b"{")
    assert (broken.status_code, broken.json()["error_type"]) == (400, "Validation")
    assert "JSON" in broken.json()["error"]
    with serving(Settings(api_keys=("a-key-of-tests",))) as locked:
        refused = locked.client.post("/rerank", json=GOOD)
        assert refused.status_code == 401
        assert "API key" in refused.json()["error"]
        assert "API key" in locked.client.post("/v1/rerank", json=GOOD).json()["error"]["message"]
        assert locked.client.post("/anything/at/all", json=GOOD).status_code == 401
        wait_for(lambda: '"path": "/anything/at/all"' in locked.log)


def test_the_field_is_named_apart(server: Server) -> None:
    assert server.rerank({"query": "q", "documents": ["a", None]}).json()["field"] == "documents[1]"


def test_a_document_that_must_not_be_cut(server: Server) -> None:
    body = {"query": "q", "documents": ["a", "word " * 9000], "truncate": False}
    answer = server.rerank(body)
    assert (answer.status_code, answer.json()["field"]) == (400, "documents[1]")
    assert server.rerank({**body, "truncate": True}).status_code == 200


def test_unknown_paths_and_methods() -> None:
    with serving() as server:  # of its own: the log goes to the server that was started last
        server.wait_ready()
        for path, near in (
            ("/nothing", "/v1/rerank"),
            ("/v1/rerankk", "/v1/rerank"),
            ("/v1/chat/completions", "/v1/rerank ranks"),
        ):
            answer = server.client.post(path, json=GOOD)
            assert answer.status_code == 404
            assert f"nothing at {path}" in answer.json()["message"]
            assert near in answer.json()["hint"]
            wait_for(lambda path=path: re.search(rf"\b(path|route)\W+{path}\b", server.log))
        long = server.client.get("/" + "x" * 2000 + "%0a%e2%80%ae").json()["message"]
        assert len(long) < 500
        assert "\u202e" not in server.log
        wrong = server.client.get("/v1/rerank")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        assert "message" in wrong.json()


@pytest.mark.parametrize(
    "path",
    [
        "/providers/cohere/v2/rerank",
        "/openai/v1/rerank",
        "/v3/openai/rerank",
        "/api/v1/rerank",
        "/v1/v2/rerank",
        "/v1/models/rerank",
        "/compatible-api/v1/reranks",
        "/v1/retrieval/org/model/reranking",
    ],
)
def test_any_path_before_a_known_last_part(server: Server, path: str) -> None:
    answer = server.client.post(path, json=GOOD)
    assert answer.status_code == 200
    assert [row["index"] for row in answer.json()["results"]] == [
        row["index"] for row in server.rerank(GOOD).json()["results"]
    ]


def test_a_header_says_that_a_client_is_pinecones(server: Server) -> None:
    answer = server.rerank(GOOD, headers={"X-Pinecone-Api-Version": "2025-10"})
    assert {*answer.json()} == {"model", "data", "usage"}


def test_one_failure_leaves_others_alone() -> None:
    scorer = SlowScorer()
    with serving(scorer=scorer) as server:
        server.wait_ready()
        scorer.fail = ValueError("secret words of a document")
        broken = server.rerank(GOOD)
        assert broken.status_code == 500
        assert "secret" not in broken.text
        assert "secret" not in server.log
        scorer.fail = None
        wait_for(lambda: server.rerank(GOOD).status_code == 200)
        assert server.metric('yesrank_errors_total{kind="EngineError"}') >= 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModelNotFound("no folder /secret/path"), "not there"),
        (ModelError("/secret/path"), "damaged"),
        (EngineError("/secret"), "engine"),
        (DeviceMissing("NPU", "device NPU is not here; /secret"), "device NPU"),
        (InputError("precision", "secret"), "options"),
        (MemoryError("secret"), "memory"),
        (RuntimeError("secret"), "RuntimeError"),
    ],
)
def test_a_model_that_cannot_be_loaded(error: Exception, words: str) -> None:
    class Broken(SlowScorer):
        loads = 0

        def prompts(self, *_: object, **__: object) -> list[object]:  # type: ignore[override]
            Broken.loads += 1
            raise error

    with serving(scorer=Broken()) as server:
        for path, body in (("/v1/rerank", GOOD), ("/rerank", {"query": "q", "texts": ["a"]})):
            answer = server.rerank(body, path)
            assert answer.status_code == 503, answer.text
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert words in answer.json()["message"]
            assert isinstance(answer.json()["error"], str) == ("texts" in body)  # in the client's own dialect
            assert "secret" not in answer.text
        loads = Broken.loads
        assert [server.rerank(GOOD).status_code for _ in range(20)] == [503] * 20
        assert Broken.loads <= loads + 1
        ready = server.client.get("/ready")
        assert (ready.status_code, "secret" in ready.text) == (503, False)
        assert words in ready.json()["reason"]
        shown = server.client.get("/v1/models/builtin").json()
        assert (shown["state"], words in shown["reason"]) == ("failed", True)
        assert server.client.post("/v1/models/builtin/load").status_code == 503
        assert "secret" in server.log  # the owner of the server reads why


def test_a_device_that_is_missing_and_a_model_that_is_not() -> None:
    """The real engine: one of two models has no device, the other answers."""
    entries = [replace(builtin_entry(), device="GPU.7", name="away"), builtin_entry()]
    with serving(entries=entries) as server:
        answer = server.rerank({**GOOD, "model": "away"})
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert "its device GPU.7 is not there" in answer.json()["message"]
        assert server.rerank({**GOOD, "model": "builtin"}).status_code == 200
        assert "OpenVINO sees:" in server.log
        assert "device GPU.7" in server.client.get("/ready").json()["reason"]


def test_crashes_of_our_own_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("secret words")

    with serving(scorer=SlowScorer()) as server:
        server.wait_ready()
        monkeypatch.setattr("yesrank.serve.endpoints.pages.models", crash)
        answer = server.client.get("/v1/models")
        assert (answer.status_code, "secret" in answer.text) == (500, False)
        assert answer.json()["id"] == answer.headers["x-request-id"]
        wait_for(lambda: '"kind": "RuntimeError"' in server.log)
        assert "secret" not in server.log
        assert server.client.get("/health").status_code == 200


def test_the_time_for_a_request() -> None:
    with serving(Settings(timeout=0.4), scorer=SlowScorer(seconds=1.0)) as server:
        answer = server.rerank(GOOD)
        assert answer.status_code in (503, 504)
        wait_for(lambda: server.client.get("/ready").status_code == 200)
        late = server.rerank(GOOD)
        assert late.status_code == 504
        assert "time" in late.json()["message"]
