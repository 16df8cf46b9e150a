"""Every entry point, in a fresh home and a network without a way out: nobody tries to leave, no id is kept."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ALONE = Path(__file__).parent.parent / "alone.py"
NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")
# where these say so, some of the libraries keep still of themselves, and the tests would see nothing
TOLD = (
    "CI",
    "TF_BUILD",
    "JENKINS_URL",
    "TRAVIS",
    "BUILDKITE",
    "APPVEYOR",
    "DO_NOT_TRACK",
    "DISABLE_TELEMETRY",
)
TOLD_PREFIXES = ("ORT_", "HF_", "XDG_", "YESRANK_", "GITHUB_", "GITLAB_", "CIRCLECI")

OWN = "/yesrank/"  # the package's cache: hashes of files

MAIN = "from yesrank.cli.main import main; main()"
BOTH_ENGINES = """
from yesrank import Reranker
for engine in ("openvino", "onnx"):
    with Reranker(engine=engine) as reranker:
        reranker.rank("q", ["a", "b"])
"""
SERVE = f"""
import subprocess, sys, urllib.request
command = [sys.executable, "-c", {MAIN!r}, "serve", "--port", "0"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
    line = next(line for line in server.stderr if "listens on" in line)
    url = line.split("listens on ")[1].split(",")[0].strip()
    body = b'{{"query": "q", "documents": ["a", "b"]}}'
    request = urllib.request.Request(url + "/v1/rerank", body, {{"content-type": "application/json"}})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    server.terminate()
    server.stderr.read()
"""
WAYS = {
    "rerank": (MAIN, "rerank", "q", "a document", "another one"),
    "rerank-onnx": (MAIN, "rerank", "--engine", "onnx", "q", "a document", "another one"),
    "convert": (MAIN, "convert", "builtin", "made"),
    "convert-onnx": (MAIN, "convert", "builtin", "made", "--format", "onnx"),
    "doctor": (MAIN, "doctor"),
    "library": (BOTH_ENGINES,),
    "serve": (SERVE,),
}


def _can_be_alone() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


CAN_BE_ALONE = _can_be_alone()
needs_namespace = pytest.mark.skipif(not CAN_BE_ALONE, reason="network namespaces are not permitted here")


@dataclass
class Visit:
    """What a program did in a home of its own."""

    returncode: int
    error: str
    files: list[str]
    attempts: int
    """Datagrams, and connections to other machines."""


@pytest.fixture
def visit(tmp_path: Path) -> Callable[..., Visit]:
    def run(code: str, *arguments: str, home: str | None = None, **variables: str) -> Visit:
        fresh, report = tmp_path / "home", tmp_path / "report.json"
        fresh.mkdir(exist_ok=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in TOLD and not name.startswith(TOLD_PREFIXES)
        }
        places = {"HOME": home or str(fresh), "USERPROFILE": str(fresh), "LOCALAPPDATA": str(fresh)}
        command = [sys.executable, "-c", code, *arguments]
        around = [*NAMESPACE, sys.executable, str(ALONE), str(report)] if CAN_BE_ALONE else []
        done = subprocess.run(
            [*around, *command],
            env={**kept, **places, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        counted = json.loads(report.read_text()) if CAN_BE_ALONE else {"returncode": done.returncode}
        return Visit(
            counted["returncode"],
            done.stderr,
            [path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file()],
            counted.get("no_route", 0) + counted.get("datagrams", 0),
        )

    return run


@pytest.mark.parametrize("way", WAYS)
def test_nothing_leaves(visit: Callable[..., Visit], way: str) -> None:
    seen = visit(*WAYS[way])
    assert seen.returncode == 0, seen.error
    assert [name for name in seen.files if OWN not in name] == []
    if not CAN_BE_ALONE:
        pytest.skip("only the files were looked at: network namespaces are not permitted here")
    assert seen.attempts == 0, seen.error


@needs_namespace
@pytest.mark.parametrize("library", ["openvino", "onnxruntime"])
def test_what_the_libraries_do_of_themselves_is_seen(visit: Callable[..., Visit], library: str) -> None:
    """Where this fails, the tests above would see nothing, or a library has changed: docs/privacy.md."""
    seen = visit(f"import {library}")
    assert seen.returncode == 0
    assert [name for name in seen.files if name.endswith(("deviceid", "_cid"))]
    assert library == "onnxruntime" or seen.attempts  # the other sends after a while, where it runs that long


@needs_namespace
def test_who_has_opted_in_is_heard(visit: Callable[..., Visit], tmp_path: Path) -> None:
    consent = tmp_path / "home" / "intel" / "openvino_telemetry"
    consent.parent.mkdir(parents=True)
    consent.write_text("1")
    seen = visit("import yesrank, openvino, onnxruntime", ORT_DISABLE_TELEMETRY="0")
    assert seen.attempts
    assert len([name for name in seen.files if name.endswith(("deviceid", "_cid"))]) == 2


@needs_namespace
def test_a_home_that_cannot_be_written_brings_no_warnings(visit: Callable[..., Visit]) -> None:
    """/proc: nobody can make anything there, whatever their rights."""
    imports = "import openvino, onnxruntime"
    assert "telemetry" in visit(imports, home="/proc").error
    assert visit(f"import yesrank; {imports}", home="/proc").error == ""
    usual, seen = visit(*WAYS["rerank"]), visit(*WAYS["rerank"], home="/proc")
    assert (seen.returncode, seen.error) == (0, usual.error)
