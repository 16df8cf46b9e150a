"""The table of usage reports: what it sets, what it leaves alone, and that nothing comes before it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yesrank import telemetry

ROOT = Path(__file__).parent.parent.parent
# what runs first in each tree outside the package, and brings yesrank with it
FIRST = {"training": "training/__init__.py", "tests": "tests/conftest.py"}
# run in environments without yesrank; tests/clients/execute.py gives them their variables
ELSEWHERE = ("tests/clients/scripts", "tests/clients/guard")
OUTSIDE = sorted(
    path
    for tree in ("training", "benchmarks", "tests", "docs")
    for path in (ROOT / tree).rglob("*.py")
    if not path.relative_to(ROOT).as_posix().startswith(ELSEWHERE)
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of openvino's consent."""
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    folder = tmp_path / ("Intel Corporation" if sys.platform == "win32" else "intel")
    folder.mkdir()
    return folder


def test_all_is_off_where_nothing_is_said(home: Path) -> None:
    environ: dict[str, str] = {}
    modules: dict = {}
    telemetry.off(environ, modules)
    assert environ == telemetry.VARIABLES
    assert modules == {"openvino_telemetry": None}


def test_what_is_set_stays_as_it_is(home: Path) -> None:
    own = {"ORT_DISABLE_TELEMETRY": "0", "HF_HUB_DISABLE_TELEMETRY": "", "HAYSTACK_TELEMETRY_ENABLED": "True"}
    own |= {"RAY_USAGE_STATS_ENABLED": "1", "VLLM_NO_USAGE_STATS": "0"}
    environ, modules = dict(own), {"openvino_telemetry": sys}
    telemetry.off(environ, modules)
    assert environ == own
    assert modules == {"openvino_telemetry": sys}


@pytest.mark.parametrize(
    ("consent", "allowed"), [(b"1", True), (b"1\n", True), (b"0", False), (b"", False), (b"\xff", False)]
)
def test_consent_given_to_openvino_counts(home: Path, consent: bytes, allowed: bool) -> None:
    (home / "openvino_telemetry").write_bytes(consent)
    modules: dict = {}
    telemetry.off({}, modules)
    assert ("openvino_telemetry" not in modules) == allowed


def test_importing_the_package_is_enough() -> None:
    code = (
        "import yesrank, os, sys, openvino, huggingface_hub; from huggingface_hub.utils import build_hf_headers;"
        "print(sys.modules['openvino_telemetry'], os.environ['ORT_DISABLE_TELEMETRY'],"
        "huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY, build_hf_headers()['user-agent'].count(';'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "1", "True", "2"]  # hub's version, Python's, and no more
    assert done.stderr == ""


def imported(tree: ast.AST) -> Iterator[str]:
    """First parts of the names of all imported modules, in the order of the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def at_import(tree: ast.Module) -> list[str]:
    """As imported, without what stands in functions."""
    return [name for node in tree.body if not isinstance(node, ast.FunctionDef) for name in imported(node)]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_yesrank_comes_first(path: Path) -> None:
    """Inside the package its __init__ comes first of itself; elsewhere somebody must see to it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reporting = [name for name in imported(tree) if name in telemetry.LIBRARIES]
    if not reporting or path.relative_to(ROOT).parts[0] in FIRST:
        return
    names = at_import(tree)
    before = names[: names.index("yesrank")] if "yesrank" in names else names
    assert "yesrank" in names, f"{path.name} imports {reporting[0]}: import yesrank at the top"
    assert not set(before) & set(telemetry.LIBRARIES), "import yesrank first, or the library in a function"


@pytest.mark.parametrize("first", FIRST.values())
def test_the_first_file_of_a_tree_brings_yesrank(first: str) -> None:
    names = at_import(ast.parse((ROOT / first).read_text(encoding="utf-8")))
    assert "yesrank" in names
    assert not set(names[: names.index("yesrank")]) & set(telemetry.LIBRARIES)
