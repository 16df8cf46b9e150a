"""Runs a client's script in its environment."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clients import environments
from clients.registry import Client

CLIENT_SECONDS = 300
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP")
_QUIET = {
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "ORT_DISABLE_TELEMETRY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PYTHONPATH": str(Path(__file__).parent / "guard"),
    "PYTHONWARNINGS": "ignore",
}


def quiet() -> dict[str, str]:
    """The variables of a program that is to reach for no other machine, and says so where it does."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _QUIET


def run(client: Client, cases: Sequence[dict[str, Any]], node: str | None = None) -> list[dict[str, Any]]:
    """A client's script in its environment, for each case: what it tells. Fails when it reaches for another machine."""
    if client.environment == "node":
        command = [str(node), "--import", "./guard.js", "run-cases.js", client.script]
    else:
        runner = client.file.with_name("run_cases.py")
        command = [str(environments.python_of(client.environment)), str(runner), str(client.file)]
    done = subprocess.run(
        [*command, *([client.part] if client.part else [])],
        input=json.dumps([case | {"url": case["url"] + client.path} for case in cases]),
        capture_output=True,
        text=True,
        check=False,
        env=quiet(),
        cwd=client.file.parent,
        timeout=CLIENT_SECONDS,
    )
    assert done.returncode == 0, f"{client.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "beyond this machine" not in done.stderr, done.stderr[-4000:]
    outcomes: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return outcomes
