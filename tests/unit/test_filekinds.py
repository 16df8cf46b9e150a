"""Files that are not what they were taken for are told as what they are, wherever a model is read."""

import shutil
from pathlib import Path

import pytest

from yesrank.checkpoint import Checkpoint
from yesrank.errors import ModelError, UnsupportedModel
from yesrank.filekinds import in_place_of, kind_of
from yesrank.manifest import read_manifest
from yesrank.models.folder import open_model
from yesrank.models.reranker import Reranker
from yesrank.store import Store, resolve

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1192135096\n"
PAGE = b"\n<!DOCTYPE html>\n<html><title>Log in</title></html>\n"


@pytest.mark.parametrize(
    ("content", "words"), [(POINTER, "Git LFS pointer"), (PAGE, "web page"), (b"PK\3\4", "ZIP")]
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_part_of_a_checkpoint(
    checkpoint_folder: Path, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    folder = shutil.copytree(checkpoint_folder, tmp_path / "copy")
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        Reranker(folder, engine="reference")
    assert str(folder / name) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["openvino_model.xml", "openvino_model.bin", "onnx/model_int8.onnx"])
def test_a_part_of_a_converted_folder(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(folders["int8"], tmp_path / "copy")
    (folder / "yesrank.json").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(POINTER)
    with pytest.raises(ModelError, match="Git LFS pointer") as caught:
        Reranker(folder, engine="onnx" if "onnx" in name else "openvino")
    assert "git lfs pull" in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_json_with_a_mark_is_read(folders: dict[str, Path], tmp_path: Path, encoding: str) -> None:
    folder = shutil.copytree(folders["int8"], tmp_path / "copy")
    for name in ("config.json", "tokenizer.json", "yesrank.json"):
        (folder / name).write_text((folder / name).read_text(encoding="utf-8"), encoding=encoding)
    assert read_manifest(folder) == read_manifest(folders["int8"])
    (folder / "yesrank.json").unlink()  # which knows the files' hashes
    assert open_model(folder).config == open_model(folders["int8"]).config


def test_a_quantised_checkpoint_whose_config_says_nothing(checkpoint_folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(checkpoint_folder, tmp_path / "copy")
    tensors = load_file(folder / "model.safetensors")
    packed = {name.replace("q_proj.weight", "q_proj.qweight"): value for name, value in tensors.items()}
    save_file(packed, folder / "model.safetensors")
    with pytest.raises(UnsupportedModel, match="quantised already"):
        Checkpoint(folder)


def test_a_file_where_a_folder_belongs(folders: dict[str, Path], tmp_path: Path) -> None:
    file = folders["int8"] / "openvino_model.xml"
    with pytest.raises(ModelError, match="is a file, and a model is a folder") as caught:
        resolve(str(file), Store(tmp_path / "models.toml"))
    assert str(folders["int8"]) in str(caught.value.hint)


def test_text_is_of_no_kind(tmp_path: Path) -> None:
    for text in (b"", b"%PDF is a format", b"GIF", b"PAR1 is a text", b"BZhang", b"{}", b"<p>html"):
        assert kind_of(text) is None
    assert in_place_of(tmp_path / "absent") is None
