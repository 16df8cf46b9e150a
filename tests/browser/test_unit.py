"""The library's own tests (web/tests), on folders that were converted here."""

import json
import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def external(folders: dict[str, Path], checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An fp32 folder whose weights are in files beside the graph, as those of large models are."""
    import onnx

    source, folder = folders["yesno"], tmp_path_factory.mktemp("external")
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "onnx").mkdir()
    model = onnx.load(source / "onnx" / "model.onnx")
    onnx.save(model, folder / "onnx" / "model.onnx", save_as_external_data=True, location="model.onnx_data")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["transformers.js_config"] = {"use_external_data_format": {"model.onnx": 1}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_vitest(node: str, web: Path, folders: dict[str, Path], external: Path) -> None:
    environ = os.environ | {
        "YESRANK_ONNX": str(folders["yesno"]),
        "YESRANK_ONNX_DATA": str(external),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [node, str(web / "node_modules" / "vitest" / "vitest.mjs"), "run", "--reporter=json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=web,
        env=environ,
        timeout=600,
    )
    told = json.loads(done.stdout[done.stdout.index("{") :])
    failed = [
        f"{test['fullName']}: {test['failureMessages'][:1]}"
        for file in told["testResults"]
        for test in file["assertionResults"]
        if test["status"] != "passed"
    ]
    assert not failed and told["success"], "\n".join(failed) or done.stderr[-3000:]
    assert told["numTotalTests"] > 40


@pytest.mark.parametrize(
    "command",
    [("tsc", "--noEmit"), ("biome", "check", "src", "tests/rerank", "bench", "samples")],
    ids=lambda command: command[0],
)
def test_types_and_style(web: Path, command: tuple[str, ...]) -> None:
    name, *arguments = command
    program = web / "node_modules" / ".bin" / name
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, cwd=web, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lock_names_no_registry(web: Path) -> None:
    lock = (web / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
