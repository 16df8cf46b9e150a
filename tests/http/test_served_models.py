"""Which models a server begins with: a folder that cannot be used ends it, a missing device does not."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yesrank.cli.main import app
from yesrank.errors import InputError, ModelError, YesrankError
from yesrank.models.folder import builtin_checkpoint, builtin_folder
from yesrank.serve.models.entries import entries
from yesrank.serve.models.handle import ModelSpec, RerankerOpener
from yesrank.serve.settings import Settings
from yesrank.store import Entry, Store


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    folder = tmp_path / "damaged"
    shutil.copytree(builtin_folder(), folder)
    (folder / "openvino_model.bin").write_bytes(b"cut short")
    return folder


def test_a_damaged_folder_ends_the_server_with_its_reason(damaged: Path, no_store: Path) -> None:
    result = CliRunner().invoke(app, ["serve", str(damaged), "--port", "0"])
    assert result.exit_code != 0
    assert isinstance(result.exception, ModelError)
    assert "openvino_model.bin" in str(result.exception)
    assert "listens" not in result.stderr


@pytest.mark.parametrize("kind", ["empty", "checkpoint", "no weights", "variant", "name"])
def test_what_cannot_be_served(kind: str, tmp_path: Path, no_store: Path) -> None:
    folder, settings = tmp_path / "model", {}
    if kind == "checkpoint":
        folder = builtin_checkpoint()
    elif kind in ("no weights", "variant"):
        shutil.copytree(builtin_folder(), folder)
        (folder / "yesrank.json").unlink()
    elif kind == "empty":
        folder.mkdir()
    if kind == "no weights":
        (folder / "openvino_model.bin").unlink()
    if kind == "variant":
        settings["variant"] = "q4"
    with pytest.raises(YesrankError) as caught:
        entries(Settings(names=(str(folder),), **settings))
    assert caught.value.hint


def test_a_name_whose_folder_is_damaged(damaged: Path, no_store: Path) -> None:
    Store().add(Entry("bad", damaged))
    with pytest.raises(ModelError):
        entries(Settings(names=("bad",)))
    assert [entry.name for entry in entries(Settings())] == [
        "bad"
    ]  # not asked for by name: others are served


def test_a_device_that_is_missing_is_no_reason_to_end(no_store: Path) -> None:
    Store().add(Entry("far", builtin_folder(), device="FOO"))
    assert entries(Settings(names=("far",)))[0].device == "FOO"
    assert entries(Settings(names=("far",), device="BAR"))[0].device == "BAR"


def test_two_of_one_name_are_refused(no_store: Path) -> None:
    with pytest.raises(InputError, match="twice"):
        entries(Settings(names=("builtin", "builtin")))


def test_a_folder_that_has_lost_its_manifest_is_not_loaded_again(tmp_path: Path) -> None:
    """Nothing says any more what its files should be: they may be of another model, or damaged."""
    folder = Path(shutil.copytree(builtin_folder(), tmp_path / "model"))
    opened, spec = RerankerOpener(), ModelSpec("m", path=folder)
    opened(spec).close()
    opened(spec).close()
    (folder / "yesrank.json").rename(folder / "kept")
    with pytest.raises(ModelError, match=r"yesrank.json is gone"):
        opened(spec)
    RerankerOpener()(spec).close()  # another server never knew of one
    (folder / "kept").rename(folder / "yesrank.json")
    opened(spec).close()
