"""Clients that generators make of /openapi.json: they rank, and what comes back has types."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clients import environments
from clients.execute import quiet
from clients.registry import NODE, SCRIPTS
from clients.running import Server, call

SECONDS = 240


@pytest.fixture(scope="module")
def description(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_bytes(call(f"{server.url}/openapi.json"))
    return path


@pytest.fixture(scope="module")
def expected(server: Server, case: dict[str, Any]) -> dict[str, Any]:
    asked = {"query": case["query"], "documents": case["documents"]}
    return {
        "results": [hit["index"] for hit in server.ask("/v1/rerank", asked)["results"]],
        "models": [server.model],
        "type": "RerankResponse",
        "refusal": "no model of that name",
    }


def test_openapi_python_client(
    description: Path, case: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    python = environments.python_of("generators")
    output = tmp_path / "made"
    command = ("generate", "--path", str(description), "--output-path", str(output))
    path = {"PATH": f"{python.parent}:{quiet()['PATH']}"}  # it formats what it makes
    told = _run(str(python.with_name("openapi-python-client")), *command, environ=quiet() | path)
    assert "may be missing" not in told, told  # so it calls what it could not read
    environ = quiet() | {"PYTHONPATH": f"{quiet()['PYTHONPATH']}:{output}"}
    found = _run(str(python), str(SCRIPTS / "use_generated.py"), stdin=json.dumps(case), environ=environ)
    assert json.loads(found.splitlines()[-1]) == expected


def test_openapi_typescript_codegen(
    node: str, description: Path, case: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    """The compiler checks the types; what it makes is run."""
    tools = NODE / "node_modules"
    (tmp_path / "node_modules").symlink_to(tools.resolve())
    (tmp_path / "package.json").write_text('{"type": "commonjs"}')
    (tmp_path / "use.ts").write_text((NODE / "generated.ts").read_text(encoding="utf-8"))
    generator = tools / "openapi-typescript-codegen" / "bin" / "index.js"
    options = ("--input", str(description), "--output", str(tmp_path / "made"), "--client", "fetch")
    _run(node, str(generator), *options)
    compiler = tools / "typescript" / "bin" / "tsc"
    flags = (
        "--strict",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
        "--skipLibCheck",
        "--module",
        "commonjs",
    )
    _run(node, str(compiler), *flags, "use.ts", cwd=tmp_path)
    found = _run(node, "use.js", stdin=json.dumps(case), cwd=tmp_path)
    assert json.loads(found.splitlines()[-1]) == expected


def _run(
    *command: str, stdin: str = "", environ: dict[str, str] | None = None, cwd: Path | None = None
) -> str:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environ or quiet(),
        cwd=cwd,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr
