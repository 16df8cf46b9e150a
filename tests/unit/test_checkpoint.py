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
from yesrank.kinds import kind_of
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


def assert_same(found: Checkpoint, expected: Checkpoint) -> None:
    assert found.config == expected.config
    for name in qwen3.tensors(expected.config):
        assert np.array_equal(found.tensor(name), expected.tensor(name))


def rename(folder: Path, change: Callable[[str], str]) -> None:
    def edit(tensors: dict[str, np.ndarray]) -> None:
        for name in list(tensors):
            tensors[change(name)] = tensors.pop(name)

    edit_tensors(folder, edit)


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name.removeprefix("model."),
        lambda name: f"model.{name}",
        lambda name: name.removeprefix("model.") if "layers.1." in name else name,
        lambda name: f"base_model.model.{name}",
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module._orig_mod.{name.removeprefix('model.')}",
        lambda name: name.replace("layers.0.", "layers.0._orig_mod."),
        lambda name: f"_fsdp_wrapped_module.{name}".replace(".mlp.", "._checkpoint_wrapped_module.mlp."),
    ],
    ids=["bare", "one more", "mixed", "peft", "parallel", "compiled", "both", "compiled layers", "fsdp"],
)
def test_names_that_wrappers_and_bare_decoders_leave_are_read(
    change: Callable[[str], str], original: Path, folder: Path
) -> None:
    rename(folder, change)
    assert_same(Checkpoint(folder), Checkpoint(original))
    sign = kind_of(folder)
    bare = not any("model." in change(name) for name in qwen3.tensors(Checkpoint(original).config))
    assert (sign is not None and sign.kind == "embedding") == bare


def test_an_adapter_that_is_not_merged(folder: Path) -> None:
    rename(folder, lambda name: f"base_model.model.{name.replace('q_proj', 'q_proj.base_layer')}")
    with pytest.raises(UnsupportedModel, match="not merged"):
        Checkpoint(folder)


def test_two_tensors_of_one_meaning(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({"norm.weight": np.ones(64, np.float32)}))
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight is there twice"):
        Checkpoint(folder)


# what holds where config.json and the tensors disagree, as transformers 5.24 decides it: see tests/parity


def test_of_two_tied_embeddings_the_head_alone_may_be_stored(original: Path, folder: Path) -> None:
    """safetensors' save_model keeps the first name of those that share memory."""
    rename(folder, lambda name: qwen3.HEAD if name == qwen3.EMBEDDING else name)
    assert_same(Checkpoint(folder), Checkpoint(original))


def test_the_same_head_once_more_changes_nothing(original: Path, folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({qwen3.HEAD: tensors[qwen3.EMBEDDING].copy()}))
    assert_same(Checkpoint(folder), Checkpoint(original))
    assert Checkpoint(folder).notes == ()


def test_another_head_is_not_tied_whatever_config_says(original: Path, folder: Path) -> None:
    head = load_file(original / "model.safetensors")[qwen3.EMBEDDING].copy()
    head[-1, -1] += 1  # the last of all values
    edit_tensors(folder, lambda tensors: tensors.update({qwen3.HEAD: head}))
    checkpoint = Checkpoint(folder)
    assert not checkpoint.config.tie_word_embeddings
    assert np.array_equal(checkpoint.output_rows([511]), head[511:].astype(np.float32))
    assert "another lm_head is there" in checkpoint.notes[0]


def test_a_head_of_another_shape(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({qwen3.HEAD: np.ones((7, 64), np.float32)}))
    with pytest.raises(CheckpointError, match=r"lm_head\.weight has shape \[7, 64\]"):
        Checkpoint(folder)


@pytest.mark.parametrize("shards_too", [False, True])
def test_a_single_file_goes_before_the_index_of_an_older_save(
    shards_too: bool, original: Path, tmp_path: Path
) -> None:
    write_random_checkpoint(tmp_path, shards=3, seed=1)
    shutil.copy(original / "model.safetensors", tmp_path)
    for path in tmp_path.glob("model-*"):
        if not shards_too:
            path.unlink()
    checkpoint = Checkpoint(tmp_path)
    assert_same(checkpoint, Checkpoint(original))
    assert checkpoint.files == (tmp_path / "model.safetensors",)
    assert "left over" in checkpoint.notes[0]


def test_an_index_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, shards=2)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00002", "../model-00002"))
    with pytest.raises(CheckpointError, match="not in the folder"):
        Checkpoint(tmp_path)


def test_a_tensor_in_two_shards(original: Path, tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path, shards=2)
    shutil.copy(original / "model.safetensors", tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(CheckpointError, match=r"is in model-00001.* and in model-00002"):
        Checkpoint(tmp_path)


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
        {"architectures": ["Qwen3ForTokenClassification"]},
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
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(UnsupportedModel, match="is a LoRA adapter, not a whole model"):
        Checkpoint(folder)


def test_a_whole_model_with_an_adapter_beside_it(folder: Path) -> None:
    """transformers applies the adapter to it once more: peft.save_pretrained, then merged into the same folder."""
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(UnsupportedModel, match="a whole model and an adapter") as caught:
        Checkpoint(folder)
    assert "take adapter_config.json and adapter_model.safetensors out" in str(caught.value.hint)


def test_a_merged_model_may_keep_the_settings_of_its_adapter(original: Path, folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    assert_same(Checkpoint(folder), Checkpoint(original))


def test_a_gguf(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    for path in (tmp_path, tmp_path / "model.gguf"):
        with pytest.raises(CheckpointError, match="cut short, or no GGUF file"):
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
