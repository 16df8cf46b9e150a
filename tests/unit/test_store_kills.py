"""Killed at any step, the store's operations leave what the next command takes up or takes away."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HUB_ID, COMMIT = "acme/tiny", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def environment(checkpoint_folder: Path, tmp_path: Path) -> dict[str, str]:
    """Of a user whose cache holds the checkpoint, as downloaded."""
    repository = tmp_path / "hf" / "hub" / "models--acme--tiny"
    shutil.copytree(checkpoint_folder, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    ours = {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "YESRANK_CONFIG": str(tmp_path / "store" / "models.toml"),
        "YESRANK_MODELS": str(tmp_path / "store" / "models"),
    }
    return {**os.environ, **ours}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("operation", "stride", "fewest"),
    [("add", 3, 6), ("pull", 5, 4), ("remove-then-add", 3, 4), ("remove-then-pull", 1, 10)],
)
def test_killed_before_every_change(
    operation: str,
    stride: int,
    fewest: int,
    environment: dict[str, str],
    checkpoint_folder: Path,
    tmp_path: Path,
) -> None:
    command = [sys.executable, str(HERE.parent / "killed_store.py"), operation, str(checkpoint_folder)]
    command += [str(tmp_path / "store"), str(stride)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] >= fewest


def leave_orphan(home: Path, environment: dict[str, str]) -> Path:
    """A whole folder without its name, as an older command may have left it."""
    run("pull", HUB_ID, "--name", "m", environment=environment)
    (home / "store" / "models.toml").unlink()
    return home / "store" / "models" / "m"


def run(*arguments: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from yesrank.cli.main import main; main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_folder_that_lost_its_weights_is_not_taken_for_the_model(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = leave_orphan(tmp_path, environment)
    (folder / "openvino_model.bin").unlink()
    done = run("pull", HUB_ID, "--name", "m", environment=environment)
    assert done.returncode == 1
    assert "openvino_model.bin is missing" in done.stderr
    assert "no stored model has the name m" in done.stderr


def test_a_whole_one_is_taken(environment: dict[str, str], tmp_path: Path) -> None:
    folder = leave_orphan(tmp_path, environment)
    written = (folder / "yesrank.json").stat().st_mtime_ns
    assert "added: m" in run("pull", HUB_ID, "--name", "m", environment=environment).stdout
    assert (folder / "yesrank.json").stat().st_mtime_ns == written
