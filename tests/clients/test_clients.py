"""Every client against the server: the same order, scores and documents as a plain request gives."""

import json
import urllib.error
from typing import Any

import pytest

from clients import results
from clients.conftest import MANY
from clients.execute import run
from clients.registry import CLIENTS, Client
from clients.running import Server

WRONG_KEY = "no-key-of-the-server"
TOLERANCE = 1e-4  # documents may be batched in another way when a part of them is in the cache


@pytest.fixture(scope="session")
def plain(server: Server, case: dict[str, Any]) -> dict[str, Any]:
    """What the server says to a plain request, by the name of the check. A text: what an error must contain."""
    body = {"model": case["model"], "query": case["query"], "documents": case["documents"]}

    def rank(**options: Any) -> list[list[Any]]:
        hits = server.ask("/v1/rerank", body | options)["results"]
        return [[hit["index"], hit["relevance_score"]] for hit in hits]

    scores, instructed = rank(), rank(instruction=case["instruction"])
    assert scores[0][0] == 1  # the built-in model finds the answer
    # or the check of instructions would show nothing
    assert dict(scores) != pytest.approx(dict(instructed), abs=10 * TOLERANCE)
    return {
        "scores": scores,
        "many": rank(documents=MANY),
        "objects": scores,
        "top_n": scores[: case["top_n"]],
        "instruction": instructed,
        "documents": [[index, score, case["documents"][index]] for index, score in scores],
        "models": [model["id"] for model in server.ask("/v1/models")["data"]],
        "refusal": _message(server, "/v1/rerank", body | {"model": case["unknown"]}),
        "embeddings": _message(server, "/v1/embeddings", {"model": case["model"], "input": case["query"]}),
    }


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: f"{client.name}, {client.environment}")
def test_client(
    client: Client, case: dict[str, Any], plain: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """In one process: everything that the client can be asked, then a wrong key, no documents, and many of them."""
    node = request.getfixturevalue("node") if client.environment == "node" else None
    brief = case | {"checks": ["scores"]}
    cases = [case, brief | {"key": WRONG_KEY}, brief | {"documents": []}, brief | {"documents": MANY}]
    told, *others = run(client, cases, node)
    assert "raised" not in told, told
    for check, answer in told["answers"].items():
        expected = plain[check]
        if isinstance(expected, str):
            assert expected in answer, f"{check}: the client hides why it was refused"
        else:
            assert answer == [_near(each) for each in expected], check
    passed = list(told["answers"])
    if "scores" in passed:
        passed += _others(client, plain, *others)
    results.add(client, told["version"], passed)


def _others(
    client: Client, plain: dict[str, Any], wrong: dict[str, Any], empty: dict[str, Any], many: dict[str, Any]
) -> list[str]:
    """The checks of a wrong key, no documents and many, as far as the client shows them."""
    assert "raised" in wrong, "a wrong key was taken"
    told = "API key is missing or wrong" in wrong["raised"]
    assert told or client.hides_errors, wrong["raised"]
    assert "raised" in empty or empty["answers"]["scores"] == [], "results were made of nothing"
    assert many.get("answers"), many
    assert len(many["answers"]["scores"]) == len(MANY)
    # as many as are surely apart: documents that are alike have scores that are alike
    assert many["answers"]["scores"][:1] == [_near(each) for each in plain["many"][:1]]
    return [*(["wrong_key"] if told else []), "empty", "many"]


def _near(expected: Any) -> Any:
    if isinstance(expected, str):
        return expected
    index, score, *text = expected
    return [index, pytest.approx(score, abs=TOLERANCE), *text]


def _message(server: Server, path: str, body: dict[str, Any]) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.ask(path, body)
    with caught.value as error:
        return str(json.loads(error.read())["error"]["message"])
