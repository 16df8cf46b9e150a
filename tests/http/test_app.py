"""Every route and dialect once, over a real connection, with the built-in model."""

import re

import pytest
from serving import DOCUMENTS, QUERY, Server, SlowScorer, serving

from yesrank.serve.app import create_app
from yesrank.serve.endpoints import openapi
from yesrank.serve.http.auth import OPEN_PATHS
from yesrank.serve.http.page import is_public
from yesrank.serve.settings import Settings
from yesrank.store import Entry, builtin_entry

RERANK = ("/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking", "/v3/rerank")


@pytest.mark.parametrize("path", [*RERANK, "/jina/v1/rerank", "/v1/rerank?trace=1"])
def test_every_rerank_path_ranks(server: Server, path: str) -> None:
    answer = server.rerank({"query": QUERY, "documents": DOCUMENTS, "top_n": 2}, path)
    found = answer.json()
    assert answer.status_code == 200, found
    assert found["results"][0]["index"] == 1
    assert len(found["results"]) == 2
    assert found["results"][0]["relevance_score"] >= found["results"][1]["relevance_score"]
    assert found["usage"]["total_tokens"] > 20


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"query": QUERY, "documents": DOCUMENTS}, lambda a: a["results"][0]["index"]),
        ({"query": QUERY, "texts": DOCUMENTS}, lambda a: a[0]["index"]),
        ({"query": QUERY, "documents": DOCUMENTS, "top_k": 1}, lambda a: a["data"][0]["index"]),
        (
            {"query": QUERY, "documents": DOCUMENTS, "prefix": "", "suffix": ""},
            lambda a: DOCUMENTS.index(a["data"][0]["ranked_documents"]["doc"]),
        ),
        (
            {"text_1": QUERY, "text_2": DOCUMENTS},
            lambda a: max(a["data"], key=lambda row: row["score"])["index"],
        ),
    ],
    ids=["cohere", "tei", "voyage", "openarc", "score"],
)
def test_every_dialect_finds_the_capital(server: Server, body: dict[str, object], read: object) -> None:
    answer = server.rerank(body, "/rerank")
    assert answer.status_code == 200, answer.text
    assert read(answer.json()) == 1


def test_scores_are_those_of_the_reranker(server: Server) -> None:
    from yesrank import Reranker

    with Reranker() as reranker:
        expected = {hit.index: hit.logit for hit in reranker.rank(QUERY, DOCUMENTS)}
    answer = server.rerank({"query": QUERY, "texts": DOCUMENTS, "raw_scores": True}).json()
    assert {hit["index"]: hit["score"] for hit in answer} == pytest.approx(expected, abs=0.02)


def test_pairs_of_their_own_queries(server: Server) -> None:
    answer = server.rerank(
        {"text_1": [QUERY, "Who barks?"], "text_2": [DOCUMENTS[1], "Dogs bark."]}, "/v1/score"
    )
    assert [row["index"] for row in answer.json()["data"]] == [0, 1]


@pytest.mark.parametrize("path", ["/embed", "/embeddings", "/v1/embeddings"])
def test_embeddings_are_refused_clearly(server: Server, path: str) -> None:
    answer = server.client.post(path, json={"input": "text", "inputs": "text"})
    assert answer.status_code == 400
    assert "reranker" in answer.json()["message"]


def test_models(server: Server) -> None:
    listed = server.client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [(row["id"], row["object"], row["state"]) for row in listed["data"]] == [
        ("builtin", "model", "ready")
    ]
    assert server.client.get("/v1/models/builtin").json() == listed["data"][0]
    unknown = server.client.get("/v1/models/no/such")
    assert unknown.status_code == 404
    assert "builtin" in unknown.json()["message"]


def test_info_says_what_clients_ask_for(server: Server) -> None:
    found = server.client.get("/info").json()
    assert (found["model_id"], found["max_client_batch_size"]) == ("builtin", 10_000)
    assert found["max_input_length"] == 8192
    assert "reranker" in found["model_type"]


def test_names_with_slashes_aliases_load_and_unload() -> None:
    entries = [builtin_entry(), Entry("org/small.v1", builtin_entry().path, aliases=("rerank-v3.5",))]
    with serving(Settings(), entries, SlowScorer()) as server:
        server.wait_ready()
        state = lambda: server.client.get("/v1/models/org/small.v1").json()["state"]  # noqa: E731
        assert state() == "unloaded"
        answer = server.rerank({"model": "rerank-v3.5", "query": "q", "documents": ["a"]})
        assert (answer.json()["model"], state()) == ("org/small.v1", "ready")
        assert server.client.post("/v1/models/org/small.v1/unload").json()["state"] == "unloaded"
        assert server.client.post("/v1/models/rerank-v3.5/load").json()["state"] == "ready"
        assert server.client.post("/v1/models/nothing/load").status_code == 404


def test_a_server_of_everything_that_is_stored(no_store: object) -> None:
    from yesrank.serve.models.entries import entries
    from yesrank.store import Store

    assert [entry.name for entry in entries(Settings())] == ["builtin"]
    Store().add(Entry("first", builtin_entry().path))
    Store().add(Entry("second", builtin_entry().path))
    assert [entry.name for entry in entries(Settings())] == ["first", "second"]
    named = entries(Settings(names=("second", str(builtin_entry().path)), precision="f32"))
    assert [(entry.name, entry.precision) for entry in named] == [("second", "f32"), ("builtin", "f32")]


def test_headers_tell_id_and_times(server: Server) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS}
    given = server.rerank(body, headers={"X-Request-Id": "abc-123"})
    assert given.headers["x-request-id"] == given.json()["id"] == "abc-123"
    names = re.findall(r"(\w+);dur=[\d.]+", given.headers["server-timing"])
    assert {"parse", "tokenize", "queue", "infer", "render"} <= set(names)
    assert int(given.headers["x-compute-tokens"]) == given.json()["usage"]["total_tokens"]
    odd = server.rerank(body, headers={"X-Request-Id": "a b\tc" + "x" * 500})
    assert re.fullmatch("[0-9a-f]{32}", odd.headers["x-request-id"])


def test_examples_of_the_documentation_run(server: Server) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    seen = 0
    for path, operations in paths.items():
        examples = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for example in examples.get("application/json", {}).get("examples", {}).values():
            answer = server.rerank(example["value"], path)
            assert answer.status_code == (400 if "embed" in path else 200), (path, answer.text)
            seen += 1
    assert seen >= 4 * len(RERANK)
    assert set(RERANK) <= set(paths)


def test_every_answer_has_one_type_and_keys_are_named() -> None:
    with_keys = create_app(Settings(api_keys=("a-key-of-tests",)), [builtin_entry()]).openapi()
    plain = create_app(Settings(), [builtin_entry()]).openapi()
    names = set(with_keys["components"]["schemas"])
    assert "securitySchemes" not in plain["components"]
    for path, operations in with_keys["paths"].items():
        for verb, operation in operations.items():
            assert ("security" in operation) == (path not in OPEN_PATHS and not is_public(path)), path
            assert "security" not in plain["paths"][path][verb]
            for status, answer in operation["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
                assert not isinstance(schema.get("type"), list), (path, status)
                named = re.findall(r"#/components/schemas/(\w+)", str(answer))
                assert set(named) <= names, (path, status)
    assert {*with_keys["components"]["securitySchemes"]} == {"bearer", "key"}


def test_documentation_needs_no_other_machine(server: Server) -> None:
    page = server.client.get("/docs")
    assert page.status_code == 200
    assert not re.findall(r"(?:src|href)=\"https?://", page.text)
    assert openapi.QUERY in page.text


def test_root_names_the_documentation(server: Server) -> None:
    assert server.client.get("/").json()["docs"] == "/docs"


def test_behind_a_proxy_with_a_path() -> None:
    with serving(Settings(root_path="/ranking"), scorer=SlowScorer()) as server:
        assert server.client.get("/").json()["docs"] == "/ranking/docs"
        assert server.client.get("/openapi.json").json()["servers"] == [{"url": "/ranking"}]
        for path in ("/rerank", "/ranking/rerank"):  # the proxy took its part off, or did not
            assert server.rerank({"query": "q", "texts": ["a"]}, path).json()[0]["index"] == 0
