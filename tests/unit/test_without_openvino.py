"""Platforms where OpenVINO has no wheels: what is installed there, and that the ONNX engine takes its place."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from yesrank import Reranker
from yesrank.models.folder import builtin_checkpoint

ROOT = Path(__file__).parent.parent.parent
MAIN = "from yesrank.cli.main import main; main()"
DOCUMENTS = ["Bees make honey of nectar.", "Maple syrup is made of sap."]
# sys_platform, platform_machine, python_version, and what runs models there of itself
PLATFORMS = [
    ("linux", "x86_64", "3.11", "openvino"),
    ("linux", "x86_64", "3.14", "openvino"),
    ("linux", "aarch64", "3.12", "onnxruntime"),
    ("linux", "riscv64", "3.12", None),
    ("darwin", "arm64", "3.13", "openvino"),
    ("darwin", "x86_64", "3.13", "onnxruntime"),
    ("darwin", "x86_64", "3.14", None),
    ("win32", "AMD64", "3.12", "openvino"),
    ("win32", "ARM64", "3.12", "onnxruntime"),
]


def run(*arguments: str, without: tuple[str, ...] = ("openvino",), **variables: str) -> tuple[int, str, str]:
    """The command line where some packages cannot be imported."""
    block = f"import sys; sys.modules.update(dict.fromkeys({without})); "
    done = subprocess.run(
        [sys.executable, "-c", block + MAIN, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("system", "machine", "python", "runtime"), PLATFORMS)
def test_what_is_installed(system: str, machine: str, python: str, runtime: str | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    there = {"sys_platform": system, "platform_machine": machine, "python_version": python}
    wanted = {
        requirement.name
        for requirement in map(Requirement, project["dependencies"])
        if requirement.marker is None or requirement.marker.evaluate(there)
    }
    assert wanted & {"openvino", "onnxruntime"} == ({runtime} if runtime else set())
    assert ("onnx" in wanted) == ("onnxruntime" in wanted)  # one is of no use without the other


def test_the_same_pins_with_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = {each.name: str(each.specifier) for each in map(Requirement, project["dependencies"])}
    for each in map(Requirement, [*extras["openvino"], *extras["onnx"]]):
        assert pins[each.name] == str(each.specifier)


def test_the_built_in_model_runs_on_onnx(tmp_path: Path) -> None:
    code, out, error = run(
        "rerank", "--json", "honey", *DOCUMENTS, YESRANK_CONFIG=str(tmp_path / "none.toml")
    )
    assert code == 0, error
    with Reranker(engine="onnx") as reranker:
        expected = {hit.index: hit.logit for hit in reranker.rank("honey", DOCUMENTS)}
    assert {hit["index"]: hit["logit"] for hit in json.loads(out)["results"]} == pytest.approx(
        expected, abs=1e-6
    )


def test_the_machine_is_told_of() -> None:
    code, out, error = run("doctor", "--json")
    assert code == 0, error
    found = json.loads(out)
    assert (found["devices"], found["self_test"]) == ({}, "ok")
    assert any("openvino is not installed" in line for line in found["advice"])


def test_a_checkpoint_is_taken_in_as_onnx(tmp_path: Path) -> None:
    places = {"YESRANK_CONFIG": str(tmp_path / "models.toml"), "YESRANK_MODELS": str(tmp_path / "models")}
    code, _, error = run("add", "small", "--model-path", str(builtin_checkpoint()), **places)
    assert code == 0, error
    assert sorted(path.name for path in (tmp_path / "models" / "small" / "onnx").iterdir()) == [
        "model_int8.onnx",
        "model_q4.onnx",
        "model_quantized.onnx",
    ]
    code, out, error = run("rerank", "--json", "--model", "small", "honey", *DOCUMENTS, **places)
    assert code == 0, error
    assert len(json.loads(out)["results"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "builtin", "made"),
        ("rerank", "--engine", "openvino", "honey", "d"),
        ("add", "small", "--model-path", str(builtin_checkpoint()), "--weights", "int4"),
    ],
    ids=["convert", "rerank", "add"],
)
def test_what_needs_it_names_the_extra_and_the_other_way(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run(
        *arguments, YESRANK_CONFIG=str(tmp_path / "models.toml"), YESRANK_MODELS=str(tmp_path / "models")
    )
    assert code == 1
    assert "pip install 'yesrank[openvino]'" in error
    assert "--format onnx" in error
    assert "Traceback" not in error


def test_with_no_runtime_at_all_it_names_an_extra(tmp_path: Path) -> None:
    without = ("openvino", "onnx", "onnxruntime")
    code, _, error = run("rerank", "q", "d", without=without, YESRANK_CONFIG=str(tmp_path / "none.toml"))
    assert code == 1
    assert "pip install 'yesrank[onnx]'" in error
    code, _, error = run("--help", without=without)
    assert code == 0
