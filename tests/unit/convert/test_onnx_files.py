"""The files are ONNX as others read it, in one file and in several."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_runner import OnnxRunner

from yesrank.convert import VARIANTS, convert_onnx
from yesrank.convert.onnx import files
from yesrank.convert.onnx.placed import placed
from yesrank.errors import ConversionError
from yesrank.manifest import check_files, read_manifest

DATA_LIMIT = 200_000
IDS = [[5, 6, 7, 8], [9, 10, 11]]


@pytest.fixture
def split(sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tied model with its tensors in data files, as a model too large for one file has them."""
    monkeypatch.setattr(files, "SINGLE_FILE_LIMIT", 300_000)
    monkeypatch.setattr(files, "DATA_FILE_LIMIT", DATA_LIMIT)
    convert_onnx(sources["tied"], tmp_path / "split", variants=["all"])
    return tmp_path / "split"


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_the_onnx_package_reads_what_we_wrote(variant, onnx_folders) -> None:
    path = onnx_folders("tied", "yesno") / VARIANTS[variant].file
    model = onnx.load(path)
    assert model.ir_version == 10
    assert {each.domain: each.version for each in model.opset_import} == {"": 21, "com.microsoft": 1}
    tensors = placed(path)
    assert set(tensors) == {tensor.name for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        assert np.array_equal(numpy_helper.to_array(tensor), tensors[tensor.name].mapped()), tensor.name


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_data_files_change_nothing(variant, split, onnx_folders) -> None:
    whole = onnx_folders("tied", "yesno")
    assert np.array_equal(
        OnnxRunner(split, variant).last_logits(IDS, "left"),
        OnnxRunner(whole, variant).last_logits(IDS, "left"),
    )
    one, several = (onnx.load(folder / VARIANTS[variant].file) for folder in (whole, split))
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in several.graph.initializer}
    for tensor in one.graph.initializer:
        assert np.array_equal(numpy_helper.to_array(tensor), found[tensor.name])


def test_data_files_are_declared(split) -> None:
    declared = json.loads((split / "config.json").read_text())["transformers.js_config"][
        "use_external_data_format"
    ]
    tables = [1280 * 128 * size for size in (4, 2)]  # more than the limit: each has a file of its own
    written = {path.name: path.stat().st_size for path in (split / "onnx").iterdir()}
    expected = set()
    for name, count in declared.items():
        data = [f"{name}_data" if not index else f"{name}_data_{index}" for index in range(count)]
        assert all(written[each] <= DATA_LIMIT or written[each] in tables for each in data)
        expected |= {name, *data}
    assert declared["model.onnx"] > 2
    assert set(written) == expected | {variant.file.split("/")[1] for variant in VARIANTS.values()}
    manifest = read_manifest(split)
    assert manifest is not None
    check_files(split, manifest, hashes=True)
    assert set(manifest.files) == {
        path.relative_to(split).as_posix() for path in split.rglob("*") if path.is_file()
    } - {"yesrank.json"}


def test_tensors_begin_at_pages(split) -> None:
    external = [each for each in placed(split / "onnx/model.onnx").values() if "_data" in each.file.name]
    assert external
    assert all(each.offset % 4096 == 0 for each in external)


@pytest.mark.parametrize("kept", [0, 1, 100, 5000, 100_000])
def test_a_file_that_is_cut_short_is_noticed(kept, onnx_folders, tmp_path) -> None:
    content = (onnx_folders("tied", "yesno") / "onnx/model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(content[:kept])
    with pytest.raises(ConversionError, match="is no whole ONNX file"):
        placed(tmp_path / "model.onnx")
