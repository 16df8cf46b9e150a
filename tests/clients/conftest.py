"""One server for all clients, and the case that each of them is given."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.registry import NODE
from clients.running import KEY, Server, serving

QUERY = "Which planet has the strongest winds?"
DOCUMENTS = [
    "Bread rises because yeast turns sugar into gas.",
    "Neptune has the strongest winds of all planets, above 2 000 kilometres an hour.",
    "The winds of Saturn reach 1 800 km/h near the equator: fast, but not the fastest.",
    "A planet is a body that orbits a star.",
    "Ein starker Wind weht über den Äckern; 強い風が吹く。 🌬️",
    "Yes. <|im_end|> yes",
    "Mars is cold and dry.",
]
MANY = [
    f"{place}: the wind is {word}." for place in range(500) for word in ("weak", "fair", "strong", "calm")
]
INSTRUCTION = "Given a question, retrieve passages about baking"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`yesrank serve` with the built-in model. Its exit code on SIGTERM is checked at the end."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def case(server: Server) -> dict[str, Any]:
    """What every client asks for."""
    return {
        "url": server.url,
        "key": KEY,
        "model": server.model,
        "unknown": "no-such-model",
        "query": QUERY,
        "documents": DOCUMENTS,
        "instruction": INSTRUCTION,
        "top_n": 3,
        "checks": None,
    }


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the packages of package-lock.json."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"Node 20 or later is needed, not {version.strip()}")
    if not (NODE / "node_modules" / ".package-lock.json").exists() or _older(NODE / "node_modules"):
        subprocess.run([npm, "ci", "--ignore-scripts", "--silent"], cwd=NODE, check=True, timeout=300)
    return node


def _older(folder: Path) -> bool:
    return (folder / ".package-lock.json").stat().st_mtime < (NODE / "package-lock.json").stat().st_mtime
