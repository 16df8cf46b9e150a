"""Every client against the server: the same order, scores and documents as a plain request gives."""

import json
import math
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
        "logits": rank(raw_scores=True),
        "objects": scores,
        "top_n": scores[: case["top_n"]],
        "instruction": instructed,
        "documents": [[index, score, case["documents"][index]] for index, score in scores],
        "models": [model["id"] for model in server.ask("/v1/models")["data"]],
        "refusal": _message(server, "/v1/rerank", body | {"model": case["unknown"]}),
        "embeddings": _message(server, "/v1/embeddings", {"model": case["model"], "input": case["query"]}),
    }


@pytest.fixture(scope="session")
def crowd(quick: Server, case: dict[str, Any]) -> dict[str, Any]:
    """A case of many documents, and under `best` the hit that comes first."""
    asked = {"query": case["query"], "documents": MANY}
    first = quick.ask("/v1/rerank", asked)["results"][0]
    best = [first["index"], first["relevance_score"]]
    return case | {
        "url": quick.url,
        "model": quick.model,
        "documents": MANY,
        "checks": ["scores"],
        "best": best,
    }


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: f"{client.name}, {client.environment}")
def test_client(
    client: Client,
    case: dict[str, Any],
    crowd: dict[str, Any],
    plain: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    """In one process: everything that the client can be asked, then a wrong key, no documents, and many of them."""
    node = request.getfixturevalue("node") if client.environment == "node" else None
    brief = case | {"checks": ["scores"]}
    cases = [case, brief | {"key": WRONG_KEY}, brief | {"documents": []}, crowd]
    told, *others = run(client, cases, node)
    plain = _as_logits(plain) if client.logits else plain
    assert "raised" not in told, told
    for check, answer in told["answers"].items():
        expected = plain[check]
        if isinstance(expected, str):
            assert expected in answer, f"{check}: the client hides why it was refused"
        else:
            assert answer == [_near(each) for each in expected], check
    passed = list(told["answers"])
    if "scores" in passed:
        passed += _others(client, _logit(crowd["best"]) if client.logits else crowd["best"], *others)
    results.add(client, told["version"], passed)


def _as_logits(plain: dict[str, Any]) -> dict[str, Any]:
    """What is expected of a client that gives logits where others give scores."""
    logits = dict(plain["logits"])
    hits = {check: plain[check] for check in ("scores", "top_n", "documents")}
    told = {check: [[hit[0], logits[hit[0]], *hit[2:]] for hit in found] for check, found in hits.items()}
    return {**plain, **told}


def _logit(best: list[Any]) -> list[Any]:
    return [best[0], math.log(best[1] / (1 - best[1]))]


def _others(
    client: Client, best: list[Any], wrong: dict[str, Any], empty: dict[str, Any], many: dict[str, Any]
) -> list[str]:
    """The checks of a wrong key, no documents and many, as far as the client shows them."""
    assert "raised" in wrong, "a wrong key was taken"
    told = "API key is missing or wrong" in wrong["raised"]
    assert told or client.hides_errors, wrong["raised"]
    assert "raised" in empty or empty["answers"]["scores"] == [], "results were made of nothing"
    assert many.get("answers"), many
    found = many["answers"]["scores"]
    assert len(found) == (client.most or len(MANY))
    assert client.most or found[0] == _near(best)
    return [*(["wrong_key"] if told else []), "empty", *([] if client.most else ["many"])]


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
