"""What passed in this run; kept with what passed before for `table.py`."""

import json
from typing import Any

from clients.environments import HOME
from clients.registry import Client

FILE = HOME / "results.json"
_passed: dict[str, dict[str, Any]] = {}


def add(client: Client, version: str, checks: list[str]) -> None:
    """A client that passed its checks."""
    _passed[client.name] = {"version": version, "checks": sorted(checks)}
    HOME.mkdir(exist_ok=True)
    before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    FILE.write_text(json.dumps(before | _passed, indent=1), encoding="utf-8")


def passed() -> dict[str, dict[str, Any]]:
    """Clients that passed in this run, by name."""
    return dict(_passed)
