"""`yesrank mcp`, from the SDK's own client, over both of its transports."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from yesrank.search import index

COMMAND = ["-c", "from yesrank.cli.main import main; main()", "mcp"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    root = tmp_path_factory.mktemp("mcp")
    (root / "notes").mkdir()
    (root / "notes" / "france.md").write_text(
        "# France\n\nA country.\n\n## Capital\n\nParis is the capital of France. It lies on the Seine.\n"
        "\n## Food\n\nBread.\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YESRANK_INDEXES", str(root / "indexes"))
        patch.setenv("YESRANK_CONFIG", str(root / "models.toml"))
        index([root / "notes"], "notes")
        yield {**os.environ}


@contextmanager
def over_http(environment: dict[str, str]) -> Iterator[str]:
    command = [sys.executable, *COMMAND, "--http", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "MCP at http://127.0.0.1:" in line, line
        yield line.split()[2].rstrip(";")
    finally:
        process.terminate()
        process.wait(20)
        if process.stderr:
            process.stderr.close()


@asynccontextmanager
async def client(kind: str, environment: dict[str, str]) -> AsyncIterator[Client]:
    if kind == "stdio":
        async with Client(
            StdioServerParameters(command=sys.executable, args=COMMAND, env=environment)
        ) as found:
            yield found
        return
    with over_http(environment) as address:
        async with Client(address) as found:
            yield found


def run(kind: str, environment: dict[str, str], *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    async def all_of_them() -> list[Any]:
        async with asyncio.timeout(60), client(kind, environment) as found:
            tools = (await found.list_tools()).tools
            assert {tool.name for tool in tools} == {"search", "rerank", "read_passage"}
            assert all(tool.output_schema for tool in tools)
            return [await found.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_the_tools_give_structured_results(kind: str, environment: dict[str, str]) -> None:
    searched, ranked = run(
        kind,
        environment,
        ("search", {"query": "What is the capital of France?"}),
        (
            "rerank",
            {"query": "What is the capital of France?", "documents": ["Bananas are yellow.", "Paris is it."]},
        ),
    )
    found = searched.structured_content
    first = found["hits"][0]
    assert first["best_sentence"] == "Paris is the capital of France."
    assert first["passage"]["place"].endswith("france.md:7")
    assert 0 < first["score"] < 1
    assert [each["index"] for each in ranked.structured_content["ranking"]] == [1, 0]
    [read] = run(
        kind, environment, ("read_passage", {"number": first["passage"]["number"], "before": 1, "after": 1})
    )
    assert [each["text"] for each in read.structured_content["passages"]] == [
        "A country.",
        "Paris is the capital of France. It lies on the Seine.",
        "Bread.",
    ]


def test_errors_reach_the_client_with_the_next_step(environment: dict[str, str]) -> None:
    unknown, missing, empty, wrong = run(
        "stdio",
        environment,
        ("search", {"query": "x", "index": "other"}),
        ("read_passage", {"number": 999}),
        ("search", {"query": " "}),
        ("rerank", {"query": "x", "documents": "one text"}),
    )
    for result, message in (
        (unknown, "there is no index 'other'\nnext: use one of: notes"),
        (missing, "has no passage 999"),
        (empty, "query: is empty\nnext: give the question"),
        (wrong, "documents"),
    ):
        assert result.is_error
        assert message in result.content[0].text


def test_an_address_beyond_this_machine_is_refused(environment: dict[str, str]) -> None:
    command = [sys.executable, *COMMAND, "--http", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "can be reached from other machines" in done.stderr
