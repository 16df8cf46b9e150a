"""A checkpoint that cannot be used is refused on opening, with the reason and the next step."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.errors import CheckpointError, ModelNotFound, UnsupportedModel
from yesrank.randomweights import PRESETS, write_random_checkpoint


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    write_random_checkpoint(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "checkpoint"))


def edit_config(folder: Path, **changes: Any) -> None:
    """Sets keys of config.json; None removes one."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def edit_tensors(folder: Path, edit: Callable[[dict[str, np.ndarray]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_good_one_opens(original: Path) -> None:
    checkpoint = Checkpoint(original)
    assert checkpoint.config == PRESETS["tiny"]
    assert checkpoint.files == (original / "model.safetensors",)
    table = checkpoint.tensor(qwen3.EMBEDDING)
    assert table.dtype == ml_dtypes.bfloat16
    assert table.shape == checkpoint.shape(qwen3.EMBEDDING) == (512, 64)
    assert np.array_equal(checkpoint.rows(qwen3.EMBEDDING, 3, 5), table[3:5])
    checkpoint.release()
    assert np.array_equal(checkpoint.output_rows([4, 3]), table[[4, 3]].astype(np.float32))


@pytest.mark.parametrize("shards", [2, 5])
def test_a_sharded_one_opens(shards: int, original: Path, tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, shards=shards)
    checkpoint = Checkpoint(tmp_path)
    assert len(checkpoint.files) == shards
    whole = Checkpoint(original)
    for name in qwen3.tensors(whole.config):
        assert np.array_equal(checkpoint.tensor(name), whole.tensor(name))


def test_the_names_of_a_bare_decoder_are_read(original: Path, folder: Path) -> None:
    def strip(tensors: dict[str, np.ndarray]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("model.")] = tensors.pop(name)

    edit_tensors(folder, strip)
    expected = Checkpoint(original).tensor(qwen3.FINAL_NORM)
    assert np.array_equal(Checkpoint(folder).tensor(qwen3.FINAL_NORM), expected)


def test_both_spellings_of_rope_theta_are_read(folder: Path) -> None:
    edit_config(folder, rope_theta=None, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    assert Checkpoint(folder).config.rope_theta == 5e5


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="hf download"):
        Checkpoint(tmp_path / "nothing")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        Checkpoint(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_broken_config(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Checkpoint(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "llama"},
        {"model_type": None},
        {"attention_bias": True},
        {"use_sliding_window": True},
        {"quantization_config": {"bits": 4}},
        {"hidden_act": "gelu"},
        {"architectures": ["Qwen3ForSequenceClassification"]},
        {"rope_scaling": {"rope_type": "dynamic", "factor": 4}},
    ],
)
def test_another_architecture(change: dict[str, Any], folder: Path) -> None:
    edit_config(folder, **change)
    with pytest.raises(UnsupportedModel):
        Checkpoint(folder)


def test_missing_keys(folder: Path) -> None:
    edit_config(folder, rope_theta=None)
    with pytest.raises(CheckpointError, match="rope_theta"):
        Checkpoint(folder)


def test_a_lora_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UnsupportedModel, match="merge"):
        Checkpoint(folder)


def test_a_gguf(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for path in (tmp_path, tmp_path / "model.gguf"):
        with pytest.raises(UnsupportedModel, match="GGUF"):
            Checkpoint(path)


def test_pytorch_weights_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is not read"):
        Checkpoint(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000, -1])
def test_a_truncated_file(keep: int, folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        Checkpoint(folder)


def test_a_corrupt_header(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[8:40] = b"?" * 32
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        Checkpoint(folder)


def test_a_missing_tensor(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(
        CheckpointError, match=r"1 tensors are missing, the first is model\.layers\.1\.mlp\.up_proj"
    ):
        Checkpoint(folder)


def test_a_missing_head(folder: Path) -> None:
    edit_config(folder, tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"lm_head\.weight"):
        Checkpoint(folder)


def test_a_tensor_of_wrong_shape(folder: Path) -> None:
    edit_config(folder, intermediate_size=128)
    with pytest.raises(CheckpointError, match=r"\[192, 64\], config\.json calls for \[128, 64\]"):
        Checkpoint(folder)


def test_quantised_tensors(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({qwen3.FINAL_NORM: np.ones(64, np.int8)}))
    with pytest.raises(UnsupportedModel, match=r"quantised already \(I8\)"):
        Checkpoint(folder)


def test_a_missing_shard(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, shards=3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00003\.safetensors is missing"):
        Checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"weight_map": 7}'])
def test_a_broken_index(text: str, tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, shards=2)
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="index"):
        Checkpoint(tmp_path)


def test_not_a_number_is_found(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors[qwen3.FINAL_NORM].fill(np.nan))
    with pytest.raises(CheckpointError, match="NaN"):
        Checkpoint(folder).float32(qwen3.FINAL_NORM)
