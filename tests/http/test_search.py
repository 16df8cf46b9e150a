"""POST /v1/search: what the command line finds, from the indexes that the server may search."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, serving

from yesrank import Reranker
from yesrank.search import Asked, Index, index, remove, search
from yesrank.serve.settings import Settings

PATH = "/v1/search"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("search")
    notes = root / "notes"
    notes.mkdir()
    (notes / "france.md").write_text(
        "# France\n\n## Capital\n\nParis is the capital of France. It lies on the Seine.\n"
    )
    (notes / "planets.md").write_text("# Planets\n\nMars is red.\n\nVenus is hot.\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YESRANK_INDEXES", str(root / "indexes"))
        index([notes], "notes")
        index([notes / "planets.md"], "other")
        index([notes], "private")
        yield notes


@pytest.fixture(scope="module")
def searching(folder: Path) -> Iterator[Server]:
    with serving(Settings(indexes=("notes", "other"))) as found:
        found.wait_ready()
        yield found


def test_it_finds_what_the_library_finds(searching: Server, folder: Path) -> None:
    question = "What is the capital of France?"
    answer = searching.rerank({"query": question, "index": "notes"}, PATH)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    with Index("notes") as opened, Reranker() as reranker:
        expected = search(
            opened,
            Asked(question, fused=True),
            lambda texts: reranker.score([(question, text) for text in texts], as_text=True).logits,
        )
    assert [hit["passage"] for hit in body["results"]] == [each.passage.id for each in expected.found]
    first = body["results"][0]
    assert first["place"] == f"{folder}/france.md:5"
    assert first["best"]["text"] == "Paris is the capital of France."
    assert first["logit"] == pytest.approx(expected.found[0].logit, abs=0.02)
    assert (body["model"], body["fused"], body["index"]) == ("builtin", True, "notes")
    assert int(answer.headers["x-compute-tokens"]) > 20


def test_without_a_model(searching: Server) -> None:
    body = searching.rerank({"query": "Venus", "index": "other", "rerank": False, "top": 1}, PATH).json()
    assert [(hit["score"], hit["best"]["text"]) for hit in body["results"]] == [(None, "Venus is hot.")]
    assert body["model"] is None


def test_nothing_found_is_an_empty_list(searching: Server) -> None:
    answer = searching.rerank({"query": "walrus", "index": "notes"}, PATH)
    assert (answer.status_code, answer.json()["results"]) == (200, [])


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"query": "x", "index": "private"}, 404, "no index 'private'.*notes, other"),
        ({"query": "x"}, 400, "index: is missing.*notes, other"),
        ({"index": "notes"}, 400, "query: is missing"),
        ({"query": " ", "index": "notes"}, 400, "query: is empty"),
        ({"query": "x", "index": "notes", "top": 0}, 400, "top: must be 1 or more"),
        ({"query": "x", "index": "notes", "candidates": 5000}, 400, "candidates: must be 1 to 1000"),
        ({"query": "x", "index": "notes", "topp": 3}, 400, "topp: is not known"),
        ({"query": "x", "index": "notes", "model": "nobody"}, 404, "no model of that name"),
        (["x"], 400, "must be a JSON object"),
    ],
)
def test_refusals(searching: Server, body: object, status: int, message: str) -> None:
    answer = searching.rerank(body, PATH)
    assert answer.status_code == status, answer.text
    assert re.search(message, answer.json()["message"])


def test_no_index_is_searched_unless_it_was_named(server: Server) -> None:
    answer = server.rerank({"query": "x", "index": "notes"}, PATH)
    assert answer.status_code == 404
    assert "yesrank serve --index NAME" in answer.json()["message"]


def test_an_index_is_followed(searching: Server, folder: Path) -> None:
    ask = {"query": "walrus", "index": "other", "rerank": False}
    assert searching.rerank(ask, PATH).json()["results"] == []
    (folder / "planets.md").write_text("# Planets\n\nA walrus.\n")
    index([], "other")
    assert len(searching.rerank(ask, PATH).json()["results"]) == 1
    index([], "other", rebuild=True)
    assert len(searching.rerank(ask, PATH).json()["results"]) == 1
    remove("other")
    assert searching.rerank(ask, PATH).status_code == 404


def test_a_damaged_index_tells_nothing_of_this_machine(searching: Server, folder: Path) -> None:
    index([folder], "other", rebuild=True)
    from yesrank.search import index_file

    index_file("other").write_bytes(b"hello " * 1000)
    answer = searching.rerank({"query": "walrus", "index": "other"}, PATH)
    assert answer.status_code in (404, 503)
    assert str(folder.parent) not in answer.text
