"""The page by hand of Chromium: each *.mjs here is a set of tests that Node's own runner runs in one browser.

Each of their tests is one test here, so that a failure has its name. YESRANK_SHOTS=FOLDER keeps screenshots.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from browser.page.running import static_host, yesrank_serve

HERE = Path(__file__).parent
KEY = "a-key-for-the-tests"
SUITES = ("server", "files", "local", "webgpu", "published", "look")
SECONDS = 1800
_NAME = re.compile(r'^\s*test\((?:"([^"]+)"|`([^`]+)`)', re.MULTILINE)


def names(suite: str) -> list[str]:
    """Names of a suite's tests as they stand in its source; those made in a loop count as one pattern."""
    found = _NAME.findall((HERE / f"{suite}.mjs").read_text(encoding="utf-8"))
    return [plain or re.sub(r"\$\{[^}]*\}", "*", pattern) for plain, pattern in found]


CASES = [(suite, name) for suite in SUITES for name in names(suite)]


@pytest.fixture(scope="session")
def small(
    checkpoint: Path, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """One checkpoint for OpenVINO and as ONNX files, and damaged copies of the latter."""
    from yesrank.convert import convert

    home = tmp_path_factory.mktemp("page")
    convert(checkpoint, home / "small", weights="f16")
    onnx, damaged, plain = home / "small-onnx", home / "damaged", home / "plain"
    shutil.copytree(folders["yesno"], onnx)
    shutil.copytree(onnx, damaged)
    graph = damaged / "onnx" / "model_quantized.onnx"
    graph.write_bytes(graph.read_bytes()[:1000])
    plain.mkdir()
    (plain / "notes.txt").write_text("no model")
    return {"ir": home / "small", "onnx": onnx, "damaged": damaged, "plain": plain, "home": home}


@pytest.fixture(scope="session")
def given(chromium: str, web: Path, small: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """Servers of all kinds, and where they are."""
    with ExitStack() as stack:
        serve = lambda *arguments: stack.enter_context(yesrank_serve(*arguments))  # noqa: E731
        models = ("builtin", str(small["ir"]), str(small["onnx"]))
        host = stack.enter_context(static_host(small["home"] / "host", small["onnx"]))
        yield {
            "executable": chromium,
            "url": serve(*models, "--precision", "f32"),
            "small": {"url": serve("builtin", "--max-documents", "2")},
            "locked": {"url": serve(*models[1:], "--api-key", KEY), "key": KEY},
            "published": {"listed": f"{host}/sub/page/", "bare": f"{host}/sub/bare/"},
            "folder": str(small["onnx"]),
            "damaged": str(small["damaged"]),
            "plain": str(small["plain"]),
            "shots": os.environ.get("YESRANK_SHOTS", ""),
        }


@pytest.fixture(scope="session")
def outcomes(node: str, given: dict[str, Any]) -> Any:
    """suite -> results of its tests; each suite runs once, when its first test asks."""
    known: dict[str, list[dict[str, Any]]] = {}

    def of(suite: str) -> list[dict[str, Any]]:
        if suite not in known:
            known[suite] = run(node, suite, given)
        return known[suite]

    return of


def run(node: str, suite: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [node, "--test", f"--test-reporter={HERE / 'reporter.mjs'}", str(HERE / f"{suite}.mjs")],
        env={**os.environ, "YESRANK_PAGE_TESTS": json.dumps(given)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert results, f"{suite}.mjs did not run:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return results


@pytest.mark.parametrize(("suite", "name"), CASES, ids=[f"{suite}-{name}" for suite, name in CASES])
def test_page(outcomes: Any, suite: str, name: str) -> None:
    pattern = re.compile(".*".join(map(re.escape, name.split("*"))))
    found = [each for each in outcomes(suite) if pattern.fullmatch(each["name"])]
    failed = [f"{each['name']}\n{each['reason']}" for each in found if not each["passed"]]
    assert found, f"{suite}.mjs reported no test of this name: {[each['name'] for each in outcomes(suite)]}"
    assert not failed, "\n".join(failed)
    if all(isinstance(each["skip"], str) for each in found):
        pytest.skip(found[0]["skip"])


def test_every_test_of_the_suites_is_known() -> None:
    assert {path.stem for path in HERE.glob("*.mjs")} == {*SUITES, "harness", "reporter"}
    assert all(names(suite) for suite in SUITES)
