"""Writes the table of clients in docs/clients.md from what passed in the last run of the tests.

python tests/clients/table.py
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from clients.registry import CLIENTS, Client

PAGE = Path(__file__).parent.parent.parent / "docs" / "clients.md"
BEGIN, END = "<!-- table of clients: begin -->\n", "<!-- table of clients: end -->\n"
_CHECKS = {
    "scores": "order and scores",
    "top_n": "top n",
    "instruction": "instruction",
    "documents": "documents back",
    "objects": "documents as objects",
    "models": "list of models",
    "refusal": "reason of a refusal",
    "embeddings": "embeddings refused",
    "wrong_key": "reason of a wrong key",
    "empty": "empty list",
    "many": "2,000 documents",
}


def row(client: Client, version: str, checks: list[str]) -> str:
    """A client's line."""
    marks = ["yes" if check in checks else "" for check in _CHECKS]
    return f"| {' | '.join((client.name, version, *marks))} |\n"


def section(passed: Mapping[str, Mapping[str, Any]]) -> str:
    """What stands between the marks."""
    head = ["client", "version", *_CHECKS.values()]
    lines = [f"| {' | '.join(head)} |\n", f"|{'---|' * len(head)}\n"]
    lines += [row(client, **passed[client.name]) for client in CLIENTS if client.name in passed]
    python = [client for client in CLIENTS if client.environment != "node"]
    node = [client for client in CLIENTS if client.environment == "node"]
    blocks = [_block("python", "#", python), _block("js", "//", node)]
    return "".join([*lines, "\nThe lines that the tests run, with a server on port 8000:\n", *blocks])


def _block(language: str, note: str, clients: list[Client]) -> str:
    seen: dict[str, list[str]] = {}
    for client in clients:
        seen.setdefault(client.configuration, []).append(client.name.replace("`", "").removeprefix("Node: "))
    parts = [f"{note} {', '.join(names)}\n{lines}\n" for lines, names in seen.items()]
    return f"\n```{language}\n" + "\n".join(parts) + "```\n"


def on_page() -> str:
    """What stands between the marks now."""
    return PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    from clients.results import FILE

    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    table = section(json.loads(FILE.read_text(encoding="utf-8")))
    PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1], encoding="utf-8")
