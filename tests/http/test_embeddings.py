"""Vectors over HTTP: a reranker and an embedder beside each other, in the shapes of each service."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_models import write_embedder
from serving import Server, serving

from yesrank import Embedder
from yesrank.convert import convert
from yesrank.serve.models.entries import entries
from yesrank.serve.settings import Settings
from yesrank.store import Entry, builtin_entry

NAME, TEXTS = "tiny-embedding", ["The licence says what you may do.", "yes", "a b c " * 30]
OPENAI, COHERE, TEI = "/v1/embeddings", "/v2/embed", "/embed"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    root = tmp_path_factory.mktemp("embedder")
    convert(write_embedder(root / "source", small_tokenizer), root / NAME, weights="bf16")
    return root / NAME


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    entry = Entry(NAME, folder, aliases=("text-embedding-3-small",), precision="f32", kind="embedding")
    with serving(Settings(), [builtin_entry(), entry]) as found:
        found.wait_ready()
        yield found


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Iterator[Embedder]:
    with Embedder(folder, precision="f32") as found:
        yield found


def post(server: Server, path: str, body: Any, status: int = 200) -> Any:
    answer = server.client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def near(expected: np.ndarray) -> Any:
    return pytest.approx(expected, abs=2e-5)


def rows(found: dict[str, Any]) -> np.ndarray:
    assert [row["index"] for row in found["data"]] == [*range(len(found["data"]))]
    return np.array([row["embedding"] for row in found["data"]], np.float32)


def unpacked(text: str, dtype: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_openai(server: Server, embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS)
    found = post(server, OPENAI, {"model": NAME, "input": TEXTS, "user": "someone"})
    assert (found["object"], found["model"], found["data"][0]["object"]) == ("list", NAME, "embedding")
    assert rows(found) == near(expected)
    tokens = sum(len(p) for p in embedder.prompts(TEXTS, embedder.frame_for(None)))
    assert found["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    alias = post(server, OPENAI, {"model": "text-embedding-3-small", "input": TEXTS[0], "dimensions": 32})
    assert alias["model"] == NAME and rows(alias) == near(embedder.encode(TEXTS[:1], dimensions=32))
    packed = post(server, OPENAI, {"input": TEXTS, "encoding_format": "base64"})
    assert [unpacked(row["embedding"]).tolist() for row in packed["data"]] == [
        near(each) for each in expected
    ]


def test_token_ids_of_its_own_tokenizer_and_of_another(server: Server, embedder: Embedder) -> None:
    [*ids] = embedder.prompts(TEXTS[:1], embedder.frame_for(None))[0].ids
    expected = embedder.encode(TEXTS[:1])
    for given in (ids, ids[:-1], [ids]):
        assert rows(post(server, OPENAI, {"input": given})) == near(expected)
    the = [ord(letter) - ord("!") for letter in "the"]  # which this tokenizer spells with one
    for wrong in (the, [10**6], [-1]):
        found = post(server, OPENAI, {"input": wrong}, 400)
        assert "not of this model's tokenizer" in found["error"]["message"]
        assert "check_embedding_ctx_length" in found["hint"]


def test_queries_have_their_task(server: Server, embedder: Embedder) -> None:
    query = embedder.encode_query(TEXTS)
    assert query != near(embedder.encode(TEXTS))
    for more in ({"input_type": "query"}, {"task": "retrieval.query"}, {"prompt_name": "query"}):
        assert rows(post(server, OPENAI, {"input": TEXTS, **more})) == near(query)
    other = embedder.encode_query(TEXTS, instruction="Find laws")
    assert rows(post(server, OPENAI, {"input": TEXTS, "instruction": "Find laws"})) == near(other)
    twice = f"Instruct: Find laws\nQuery:{TEXTS[0]}"
    assert rows(post(server, OPENAI, {"input": [twice], "input_type": "query"})) == near(other[:1])
    assert rows(post(server, OPENAI, {"input": TEXTS, "input_type": "document"})) == near(
        embedder.encode(TEXTS)
    )
    answer = server.client.post(OPENAI, json={"input": TEXTS, "input_type": "clustering", "colour": 1})
    told = answer.headers["x-yesrank-note"]
    assert "neither a query's nor a document's" in told and "colour" in told


def test_cohere(server: Server, embedder: Embedder) -> None:
    types = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    body = {"model": NAME, "texts": TEXTS, "input_type": "search_query", "embedding_types": types}
    found = post(server, COHERE, body)
    assert (found["response_type"], found["texts"]) == ("embeddings_by_type", TEXTS)
    assert found["meta"]["billed_units"]["input_tokens"] > 10 and [*found["embeddings"]] == types
    queries = embedder.encode_query(TEXTS)
    assert np.array(found["embeddings"]["float"]) == near(queries)
    assert [unpacked(each).tolist() for each in found["embeddings"]["base64"]] == [near(q) for q in queries]
    for kind in types[1:5]:
        ours = embedder.encode_query(TEXTS, output=kind)
        assert np.abs(np.array(found["embeddings"][kind], int) - ours.astype(int)).mean() < 1, kind
    content = [{"content": [{"type": "text", "text": TEXTS[0]}]}]
    body = {"model": NAME, "inputs": content, "input_type": "search_document", "output_dimension": 32}
    one = post(server, COHERE, body)
    assert np.array(one["embeddings"]["float"]) == near(embedder.encode_document(TEXTS[:1], dimensions=32))
    old = post(server, "/v1/embed", {"model": NAME, "texts": TEXTS})
    assert old["response_type"] == "embeddings_floats"
    assert np.array(old["embeddings"]) == near(embedder.encode(TEXTS))


def test_tei(server: Server, embedder: Embedder) -> None:
    assert np.array(post(server, TEI, {"inputs": TEXTS[0]})) == near(embedder.encode(TEXTS[:1]))
    named = post(server, TEI, {"inputs": TEXTS, "prompt_name": "query", "normalize": True, "truncate": True})
    assert np.array(named) == near(embedder.encode_query(TEXTS))
    assert "false cannot be had" in post(server, TEI, {"inputs": "a", "normalize": False}, 422)["error"]
    refused = post(server, "/embed_all", {"inputs": "a"}, 422)
    assert "the state of its last token" in refused["error"] and refused["error_type"] == "Validation"
    assert post(server, TEI, {"inputs": []}, 400)["error_type"] == "Empty"


def test_voyage_and_jina(server: Server, embedder: Embedder) -> None:
    voyage = {
        "model": NAME,
        "input": TEXTS,
        "input_type": "query",
        "output_dimension": 32,
        "truncation": True,
    }
    found = post(server, OPENAI, voyage | {"output_dtype": "int8", "encoding_format": "base64"})
    ours = embedder.encode_query(TEXTS, dimensions=32, output="int8")
    for row, expected in zip(found["data"], ours, strict=True):
        assert np.abs(unpacked(row["embedding"], "i1").astype(int) - expected).max() <= 1
    jina = {"model": NAME, "input": [{"text": TEXTS[0]}], "task": "retrieval.passage", "dimensions": 64}
    bits = post(server, OPENAI, jina | {"embedding_type": "ubinary"})["data"][0]["embedding"]
    assert np.unpackbits(np.array(bits, np.uint8) ^ embedder.encode(TEXTS[0], output="ubinary")).sum() <= 1
    assert "late_chunking" in post(server, OPENAI, jina | {"late_chunking": True}, 422)["message"]


def test_a_text_that_is_too_long_is_told_or_cut_as_the_service_does(
    server: Server, embedder: Embedder
) -> None:
    long = "word " * 5000
    found = post(server, OPENAI, {"input": ["a", long]}, 400)
    assert "input[1]" in found["message"] and "4096 tokens" in found["message"]
    cut = rows(post(server, OPENAI, {"input": [long], "truncate_prompt_tokens": -1}))
    with pytest.warns(UserWarning, match="were cut"):
        expected = embedder.encode([long])
    assert cut == near(expected)
    assert np.array(post(server, COHERE, {"texts": [long]})["embeddings"]["float"]) == near(expected)
    post(server, COHERE, {"texts": [long], "truncate": "NONE"}, 400)
    post(server, TEI, {"inputs": long}, 413)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (OPENAI, {"input": "a", "model": "builtin"}, 400, "is a reranker"),
        (OPENAI, {"input": "a", "model": "nothing"}, 404, "there is no model of that name"),
        (OPENAI, {}, 400, "input: is missing"),
        (OPENAI, {"input": []}, 400, "input: is empty"),
        (OPENAI, {"input": ["a", 1.5]}, 400, r"input\[1\]: must be a string"),
        (OPENAI, {"input": [{"image": "x"}]}, 400, r"input\[0\]: has no text"),
        (OPENAI, {"input": "a", "dimensions": 16}, 400, "dimensions: must be 32 to 64"),
        (OPENAI, {"input": "a", "encoding_format": "hex"}, 400, "encoding_format: is not known"),
        (OPENAI, {"input": "a", "dimension": 32}, 400, "write dimensions"),
        (OPENAI, {"input": "a", "output_dtype": "int4"}, 400, "output_dtype: is not known"),
        (OPENAI, {"input": "a", "prompt_name": "other"}, 400, "prompt_name: 'other' is not known"),
        (OPENAI, [], 400, "must be a JSON object"),
        (COHERE, {"texts": ["a"], "embedding_types": "float"}, 400, "embedding_types: must be a list"),
        (COHERE, {"texts": ["a"], "images": ["x"]}, 400, "images: cannot be read"),
        (COHERE, {"texts": ["a"], "truncate": "START"}, 400, "truncate: must be END or NONE"),
        ("/rerank", {"model": NAME, "query": "q", "documents": ["a"]}, 400, "is an embedding model"),
    ],
)
def test_what_cannot_be_answered(path: str, body: Any, status: int, message: str, server: Server) -> None:
    import re

    found = post(server, path, body, status)
    assert re.search(message, found["message"]), found["message"]


def test_both_kinds_are_loaded_and_say_what_they_are(server: Server) -> None:
    ranked = post(server, "/rerank", {"query": "Who barks?", "documents": ["Dogs bark.", "Rain falls."]})
    assert ranked["model"] == "builtin"
    post(server, OPENAI, {"input": "a"})
    listed = {row["id"]: row for row in server.client.get("/v1/models").json()["data"]}
    assert {name: (row["task"], row["state"]) for name, row in listed.items()} == {
        "builtin": ("rerank", "ready"),
        NAME: ("embed", "ready"),
    }
    assert server.client.get("/info").json()["model_id"] == "builtin"
    named = server.client.get("/info", params={"model": NAME}).json()
    assert (
        named["model_type"] == {"embedding": {"pooling": "last_token"}} and named["max_input_length"] == 4096
    )
    assert server.client.get("/info", params={"model": "x"}).status_code == 404
    metrics = server.client.get("/metrics").text
    assert f'model="{NAME}"' in metrics


def test_a_server_of_an_embedder_alone(folder: Path) -> None:
    [entry] = entries(Settings(names=(str(folder),)))
    assert entry.kind == "embedding"
    with serving(Settings(), [entry]) as alone:
        alone.wait_ready()
        assert len(post(alone, OPENAI, {"input": TEXTS})["data"]) == 3
        found = post(alone, "/rerank", {"query": "q", "documents": ["a"]}, 400)
        assert "ranks nothing" in found["message"]
