"""yesrank.json says everything, and nothing in it is taken on trust."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yesrank.errors import ModelError
from yesrank.manifest import (
    FileEntry,
    Manifest,
    OnnxFiles,
    check_files,
    read_manifest,
    sha256,
    write_manifest,
)

HASH = "0" * 64
MANIFEST = Manifest(
    yesrank="0.1.0",
    source="Qwen/Qwen3-Reranker-0.6B",
    revision="abc",
    source_files={"model.safetensors": HASH},
    weights="int8",
    template="card",
    answers={"yes": 9693, "no": 2152},
    max_length=8192,
    limit=32768,
    files={"config.json": FileEntry(2, HASH)},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    onnx = replace(MANIFEST, onnx=OnnxFiles("yesno", ("q8", "q4")))
    smooth = replace(MANIFEST, smooth=True)
    for manifest in (MANIFEST, replace(MANIFEST, revision=None), onnx, smooth, replace(onnx, smooth=True)):
        write_manifest(tmp_path, manifest)
        assert read_manifest(tmp_path) == manifest


def test_a_folder_of_others_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, this version of yesrank reads 1: upgrade"),
        ({"format": None}, "format None"),
        ({"colour": "red"}, "unknown keys: colour"),
        ({"weights": 8}, "weights is not a string"),
        ({"smooth": "yes"}, "smooth is neither absent nor true"),
        ({"max_length": "8192"}, "max_length is not a whole number"),
        ({"max_length": -1}, "max_length is not a whole number"),
        ({"answers": {"yes": True}}, "yes is not a whole number"),
        ({"answers": []}, "answers is not an object"),
        ({"source": {"name": "x", "revision": None}}, "'files' is missing"),
        ({"source": {"name": "x", "revision": None, "files": {}, "url": ""}}, "source has unknown keys: url"),
        ({"files": {"../x": {"bytes": 1, "sha256": HASH}}}, "outside the folder"),
        ({"files": {"/x": {"bytes": 1, "sha256": HASH}}}, "outside the folder"),
        ({"files": {"x": {"bytes": 1, "sha256": "xyz"}}}, "no valid SHA-256"),
        ({"files": {"x": {"bytes": 1}}}, "'sha256' is missing"),
        ({"onnx": {"head": "yesno"}}, "'variants' is missing"),
        ({"onnx": {"head": "yesno", "variants": "q4"}}, "onnx.variants is not a list"),
        ({"onnx": {"head": "yesno", "variants": [4]}}, "onnx.variants is not a string"),
        ({"onnx": {"head": 1, "variants": []}}, "onnx.head is not a string"),
    ],
)
def test_a_wrong_manifest_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "yesrank.json").write_text(json.dumps(MANIFEST.as_dict() | change))
    with pytest.raises(ModelError) as error:
        read_manifest(tmp_path)
    assert message in str(error.value)
    assert "yesrank.json" in str(error.value)


@pytest.mark.parametrize("key", sorted(MANIFEST.as_dict()))
def test_every_key_is_required(key: str, tmp_path: Path) -> None:
    data = MANIFEST.as_dict()
    del data[key]
    (tmp_path / "yesrank.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match="not a valid manifest"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_broken_manifest_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "yesrank.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"yesrank\.json"):
        read_manifest(tmp_path)


def test_files_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    good = replace(MANIFEST, files={"config.json": FileEntry(2, sha256(path))})
    check_files(tmp_path, good, hashes=True)
    path.write_text("[]")
    check_files(tmp_path, good)
    with pytest.raises(ModelError, match="SHA-256"):
        check_files(tmp_path, good, hashes=True)
    path.write_text("[1]")
    with pytest.raises(ModelError, match="3 bytes, its manifest says 2"):
        check_files(tmp_path, good)
    path.unlink()
    with pytest.raises(ModelError, match="missing"):
        check_files(tmp_path, good)
