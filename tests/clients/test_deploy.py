"""What lies in deploy/ passes its linters, and names options, variables and metrics that exist."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clients import environments
from clients.running import Server, call
from yesrank import __version__

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
UNIT = DEPLOY / "systemd" / "yesrank.service"
MANIFEST = DEPLOY / "kubernetes" / "yesrank.yaml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "yesrank.json"
STARTED = (DEPLOY / "Dockerfile", DEPLOY / "compose.yaml", UNIT, MANIFEST)
YAML_RULES = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"


@pytest.mark.parametrize(
    "command",
    [
        ("hadolint", "Dockerfile"),
        ("yamllint", "--strict", "-d", YAML_RULES, "."),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
        ("kubernetes-validate", "--strict", "kubernetes/yesrank.yaml"),
    ],
    ids=lambda command: command[0],
)
def test_linter(command: tuple[str, ...]) -> None:
    name, *arguments = command
    program = environments.python_of("linters").with_name(name)
    _passes(str(program), *arguments)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    installed = str(Path(sys.executable).with_name("yesrank"))
    unit.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/yesrank/bin/yesrank", installed), encoding="utf-8"
    )
    assert _passes("systemd-analyze", "verify", "--man=no", str(unit)) == ""
    _passes(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)
    )  # exposure of 2.0 of 10


def test_options_exist() -> None:
    known = _passes(str(Path(sys.executable).with_name("yesrank")), "serve", "--help")
    for path in STARTED:
        serve = re.findall(r"\bserve\b[^\n]*--[^\n]*", path.read_text(encoding="utf-8"))
        assert serve, f"{path.name} starts no server"
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(serve)):
            assert re.search(rf"{option}\b(?!-)", known), f"{path.name}: yesrank serve has no {option}"


def test_variables_exist() -> None:
    sources = (DEPLOY.parent / "src").rglob("*.py")
    known = set(re.findall(r"YESRANK_[A-Z_]+", "".join(path.read_text(encoding="utf-8") for path in sources)))
    for path in STARTED:
        assert set(re.findall(r"YESRANK_[A-Z_]+", path.read_text(encoding="utf-8"))) <= known, path.name


def test_image_has_the_version_of_the_package() -> None:
    for path in (DEPLOY / "compose.yaml", MANIFEST, DEPLOY / "Dockerfile"):
        assert f"yesrank:{__version__}" in path.read_text(encoding="utf-8"), path.name


def test_dashboard_shows_metrics_that_exist(server: Server) -> None:
    families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", call(f"{server.url}/metrics").decode(), re.MULTILINE))
    known = set(families) | {f"{name}_bucket" for name, kind in families.items() if kind == "histogram"}
    for expression in _expressions():
        used = set(re.findall(r"\byesrank_\w+", expression))
        assert used and used <= known, f"{expression}: unknown {used - known}"


def test_dashboard_expressions_are_promql() -> None:
    program = "import json, sys, promql_parser\nfor each in json.load(sys.stdin): promql_parser.parse(each)"
    texts = [re.sub(r"\$__(rate_interval|range)", "5m", each) for each in _expressions()]
    python = environments.python_of("linters")
    done = subprocess.run(
        [python, "-c", program], input=json.dumps(texts), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def _passes(*command: str) -> str:
    done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
