"""`yesrank add`: what is there already, and devices that this machine has not."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from yesrank.cli.main import app
from yesrank.errors import InputError
from yesrank.models.folder import builtin_folder
from yesrank.store import Entry, Store, stored_already

FOLDER = str(builtin_folder())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "models.toml"))
    monkeypatch.setenv("YESRANK_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("YESRANK_MODEL", raising=False)
    return tmp_path


def add(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["add", *arguments], env={"COLUMNS": "300", "NO_COLOR": "1"})


@pytest.mark.parametrize("device", ["GPU.9", "NPU.9", "FOO", "AUTO:FOO", "MULTI:FOO,CPU"])
def test_a_device_that_is_not_here_is_stored_with_a_warning(device: str) -> None:
    result = add("x", "--model-path", FOLDER, "--device", device)
    assert result.exit_code == 0
    assert "warning" in result.stderr
    assert device.removeprefix("MULTI:").removesuffix(",CPU") in result.stderr
    assert "OpenVINO sees:" in result.stderr  # those that are
    assert "warning" not in result.stdout
    assert Store().get("x").device == device


@pytest.mark.parametrize("device", ["FOO", "GPU"])
def test_a_device_that_onnxruntime_does_not_know(device: str) -> None:
    result = add("x", "--model-path", FOLDER, "--device", device, "--variant", "int8")
    assert result.exit_code == 0
    assert f"device {device}" in result.stderr
    assert "CPU, CUDA" in result.stderr


@pytest.mark.parametrize("device", ["CPU", "cpu", "AUTO", "AUTO:FOO,CPU"])
def test_a_device_that_is_here_needs_no_warning(device: str) -> None:
    assert "warning" not in add("x", "--model-path", FOLDER, "--device", device).stderr


def test_the_same_again_is_no_error_and_changes_nothing(home: Path) -> None:
    arguments = ("x", "--model-path", FOLDER, "--device", "FOO", "--alias", "y", "--max-length", "99")
    assert "added: x" in add(*arguments).stdout
    stored = (home / "models.toml").read_bytes()
    again = add(*arguments)
    assert again.exit_code == 0
    assert "there already: x" in again.stdout
    assert "warning" in again.stderr
    assert (home / "models.toml").read_bytes() == stored


@pytest.mark.parametrize(
    "other",
    [
        ("--device", "GPU"),
        ("--precision", "f32"),
        ("--instruction", "Why?"),
        ("--template", "chat"),
        ("--max-length", "98"),
        ("--alias", "z"),
        ("--variant", "int8"),
        ("--engine", "onnx"),
    ],
)
def test_another_model_of_the_same_name_is_an_error(other: tuple[str, str]) -> None:
    add("x", "--model-path", FOLDER)
    assert isinstance(add("x", "--model-path", FOLDER, *other).exception, InputError)
    add("x2", "--model-path", FOLDER, *other)
    assert isinstance(add("x2", "--model-path", FOLDER).exception, InputError)


def test_a_converted_checkpoint_is_there_while_its_source_is_not_newer(
    checkpoint_folder: Path, home: Path
) -> None:
    arguments = ("x", "--model-path", str(checkpoint_folder))
    assert add(*arguments).exit_code == 0
    for same in ((), ("--weights", "int8")):
        assert "there already" in add(*arguments, *same).stdout
    assert isinstance(add(*arguments, "--weights", "bf16").exception, InputError)
    source = next(checkpoint_folder.glob("*.safetensors"))
    times = source.stat()
    try:
        os.utime(source, (times.st_atime, (home / "models/x/yesrank.json").stat().st_mtime + 1))
        assert isinstance(add(*arguments).exception, InputError)  # trained further: not the same model
    finally:
        os.utime(source, (times.st_atime, times.st_mtime))


def test_a_model_of_the_hub_is_known_by_its_id_or_address_and_revision(tmp_path: Path) -> None:
    asked = Entry("x", Path("acme/model"))
    (tmp_path / "snapshot").mkdir()
    there = Entry(
        "x", tmp_path / "snapshot", source="acme/model", revision="abc", variant="q8", aliases=("acme/model",)
    )
    Store().add(there)
    assert stored_already(Store(), asked, "acme/model") == there
    assert stored_already(Store(), asked, "https://huggingface.co/acme/model") == there
    assert stored_already(Store(), asked, "acme/model", revision="abc") == there
    assert stored_already(Store(), asked, "acme/model", revision="def") is None
    assert stored_already(Store(), asked, "acme/other") is None
    assert stored_already(Store(), asked, "acme/model", weights="int8") is None
    (tmp_path / "snapshot").rmdir()
    assert stored_already(Store(), asked, "acme/model") is None
