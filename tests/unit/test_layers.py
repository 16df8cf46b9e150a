"""Imports point downwards: a room may import the rooms below it, and nothing beside or above."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "src" / "yesrank"

# lowest floor first; rooms of one floor may import each other only where BESIDE says so
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "types", "telemetry", "filekinds"),
    (
        "rope",
        "qwen3",
        "tensorplaces",
        "sources",
        "checkpoint",
        "manifest",
        "claims",
        "prompt",
        "templates",
        "kinds",
        "asking",
        "embedding",
        "documents",
        "words",
        "fusion",
    ),
    ("tokens", "head", "vectors", "rendered"),
    ("engine", "convert", "randomweights"),
    ("models",),
    ("verify", "store"),
    ("evaluate", "smooth", "search"),
    ("bench", "serve", "integrations", "jobs", "mcp"),
    ("cli",),
    ("__main__",),
)
BESIDE = {
    "filekinds": {"errors"},
    "qwen3": {"rope"},
    "sources": {"tensorplaces"},
    "checkpoint": {"qwen3", "rope", "sources", "tensorplaces"},
    "templates": {"prompt"},
    "kinds": {"manifest", "qwen3", "tensorplaces"},
    "asking": {"sources", "qwen3", "checkpoint", "kinds", "prompt", "templates"},
    "embedding": {"kinds", "prompt"},
    "manifest": {"qwen3", "prompt"},
    "randomweights": {"convert"},
}
# below, and still not wanted: an engine ends at the last hidden state and knows nothing of yes and no
UNWANTED = {"engine": {"manifest", "prompt", "tokens", "head", "vectors"}}
# where OpenVINO may be imported at all, and where that must wait until it is needed
OPENVINO_ROOMS = {"engine", "convert", "bench", "cli"}
LAZY_OPENVINO_ROOMS = {"bench", "cli"}

# the same inside the server, lowest first: no wing knows one beside or above it
WINGS: tuple[tuple[str, ...], ...] = (
    ("requests", "embedrequests", "threads", "signals"),
    ("dialects",),
    ("watch",),
    ("http",),
    ("settings",),
    ("queue",),
    ("models",),
    ("answering",),
    ("searching", "embedding"),
    ("service",),
    ("endpoints",),
    ("app",),
    ("run",),
)

WING = {wing: height for height, wings in enumerate(WINGS) for wing in wings}
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The first part of a module's path inside the package; "" for the package's own __init__."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(tree: ast.AST, *, top_level_only: bool = False) -> Iterator[str]:
    """The full names of the modules that are imported, except for type checking only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            from_root = [f"yesrank.{alias.name}" for alias in node.names]
            yield from from_root if module == "yesrank" else [module]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from imports(node, top_level_only=top_level_only)


def may_import(room: str, other: str) -> bool:
    if other in UNWANTED.get(room, set()):
        return False
    return room in ("", other) or FLOOR[other] < FLOOR[room] or other in BESIDE.get(room, set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_is_in_a_room(path: Path) -> None:
    room = room_of(path)
    assert room in FLOOR or room == "", (
        f"{path.relative_to(PACKAGE)}: the room {room!r} is new. Move the file into one of "
        f"{', '.join(FLOOR)}; or, where it is a stage of its own, give it a floor in "
        "tests/unit/test_layers.py and a line in docs/architecture.md."
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    room = room_of(path)
    others = {
        name.split(".")[1] for name in imports(ast.parse(path.read_text())) if name.startswith("yesrank.")
    }
    upwards = sorted(other for other in others if other in FLOOR and not may_import(room, other))
    assert not upwards, (
        f"{path.relative_to(PACKAGE)} imports {', '.join(upwards)}, which {room!r} must not know. "
        "What both need belongs on a lower floor; what only the caller knows should be passed in."
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_openvino_stays_in_its_rooms(path: Path) -> None:
    room, tree = room_of(path), ast.parse(path.read_text())
    everywhere = {name.split(".")[0] for name in imports(tree)}
    at_import = {name.split(".")[0] for name in imports(tree, top_level_only=True)}
    assert "openvino" not in everywhere or room in OPENVINO_ROOMS, (
        "OpenVINO is known to engine and convert only"
    )
    if room in LAZY_OPENVINO_ROOMS:
        assert "openvino" not in at_import, "import OpenVINO inside the function: it takes a second"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_needs_torch(path: Path) -> None:
    names = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    # an extra, which asks for it in a message; and a second opinion, where it is installed
    if path.relative_to(PACKAGE).as_posix() in ("convert/tokenizer.py", "verify/reading.py"):
        names -= {"transformers"}
    assert not names & {"torch", "transformers", "optimum"}, "PyTorch is for tests/parity only"


SERVER_INIT = PACKAGE / "serve" / "__init__.py"
SERVER = [path for path in FILES if path.is_relative_to(PACKAGE / "serve") and path != SERVER_INIT]


@pytest.mark.parametrize("path", SERVER, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_wings_of_the_server_stand_on_each_other(path: Path) -> None:
    wing = path.relative_to(PACKAGE / "serve").parts[0].removesuffix(".py")
    assert wing in WING, f"the wing {wing!r} is new: give it a floor here and a line in docs/architecture.md"
    known = [name.split(".") for name in server_imports(path)]
    upwards = sorted({name[2] for name in known if WING[name[2]] >= WING[wing] and name[2] != wing})
    assert not upwards, (
        f"{path.relative_to(PACKAGE)} imports {', '.join(upwards)}, which {wing!r} must not know"
    )


def server_imports(path: Path) -> Iterator[str]:
    """yesrank.serve.NAME... for everything of the server that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "yesrank.serve":
            yield from (f"yesrank.serve.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("yesrank.serve."):
            yield str(node.module)


def test_relative_imports_are_not_used() -> None:
    """The tests above read absolute names."""
    found = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not found
