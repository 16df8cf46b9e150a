"""Matrices that other programs have quantised, stored by the letter of each format.

tests/parity/test_packed.py has those programs write and read them.
"""

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
from yesrank.convert import convert
from yesrank.convert.subject import subject_of
from yesrank.errors import CheckpointError, ModelNotFound, UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.verify import verify

Tensors = dict[str, np.ndarray]
Store = Callable[[str, np.ndarray, np.random.Generator], tuple[np.ndarray, Tensors]]
GROUP = 32


def bitstream(values: np.ndarray, bits: int) -> np.ndarray:
    """uint32 words of [R, N] values, the lowest bits first: one long number a row."""
    rows = []
    for row in values.tolist():
        number = sum(int(value) << (index * bits) for index, value in enumerate(row))
        rows.append(np.frombuffer(number.to_bytes(len(row) * bits // 8, "little"), np.uint32))
    return np.stack(rows)


def mlx(bits: int) -> Store:
    def store(module: str, shape: Any, random: np.random.Generator) -> tuple[np.ndarray, Tensors]:
        rows, width = shape
        values = random.integers(0, 1 << bits, (rows, width))
        scale, bias = (
            random.standard_normal((rows, width // GROUP)).astype(np.float16) / 50 for _ in range(2)
        )
        matrix = values * np.repeat(scale, GROUP, 1).astype(np.float32) + np.repeat(bias, GROUP, 1)
        parts = {"weight": bitstream(values, bits), "scales": scale, "biases": bias}
        return matrix, {f"{module}.{part}": value for part, value in parts.items()}

    return store


def gptq(version: int) -> Store:
    def store(module: str, shape: Any, random: np.random.Generator) -> tuple[np.ndarray, Tensors]:
        rows, width = shape
        values, zero = random.integers(0, 16, (rows, width)), random.integers(1, 16, (rows, width // GROUP))
        scale = random.standard_normal((rows, width // GROUP)).astype(np.float16) / 50
        order = random.permutation(np.arange(width) // GROUP)
        matrix = (values - zero[:, order]) * scale[:, order].astype(np.float32)
        parts = {
            "qweight": np.ascontiguousarray(bitstream(values, 4).T),
            "qzeros": bitstream(zero.T - (version == 1), 4),
            "scales": np.ascontiguousarray(scale.T),
            "g_idx": order.astype(np.int32),
        }
        return matrix, {f"{module}.{part}": _signed(value) for part, value in parts.items()}

    return store


def awq(module: str, shape: Any, random: np.random.Generator) -> tuple[np.ndarray, Tensors]:
    rows, width = shape
    values, zero = random.integers(0, 16, (rows, width)), random.integers(0, 16, (rows, width // GROUP))
    scale = random.standard_normal((rows, width // GROUP)).astype(np.float16) / 50
    matrix = (values - np.repeat(zero, GROUP, 1)) * np.repeat(scale, GROUP, 1).astype(np.float32)

    def packed(stored: np.ndarray) -> np.ndarray:
        """Row 8 i + (0, 2, 4, 6, 1, 3, 5, 7)[n] in nibble n."""
        eight = stored.T.reshape(stored.shape[1], -1, 8)[..., [0, 2, 4, 6, 1, 3, 5, 7]]
        return bitstream(eight.reshape(stored.shape[1], -1), 4)

    parts = {"qweight": packed(values), "qzeros": packed(zero), "scales": np.ascontiguousarray(scale.T)}
    return matrix, {f"{module}.{part}": _signed(value) for part, value in parts.items()}


def fp8(module: str, shape: Any, random: np.random.Generator) -> tuple[np.ndarray, Tensors]:
    """In blocks of [64, 48], of which the last are parts."""
    rows, width = shape
    values = random.standard_normal(shape).astype(ml_dtypes.float8_e4m3fn)
    scale = random.random((-(-rows // 64), -(-width // 48)), np.float32) / 10
    spread = np.repeat(np.repeat(scale, 64, 0)[:rows], 48, 1)[:, :width]
    return values.astype(np.float32) * spread, {
        f"{module}.weight": values,
        f"{module}.weight_scale_inv": scale,
    }


def packed4(module: str, shape: Any, random: np.random.Generator) -> tuple[np.ndarray, Tensors]:
    """compressed-tensors, with zero points, which are packed along their rows."""
    rows, width = shape
    values, zero = random.integers(-8, 8, (rows, width)), random.integers(-8, 8, (rows, width // GROUP))
    scale = (random.standard_normal((rows, width // GROUP)) / 50).astype(np.float32)
    matrix = (values - np.repeat(zero, GROUP, 1)) * np.repeat(scale, GROUP, 1)
    parts = {
        "weight_packed": bitstream(values + 8, 4),
        "weight_scale": scale,
        "weight_zero_point": np.ascontiguousarray(bitstream(zero.T + 8, 4).T),
        "weight_shape": np.array(shape, np.int64),
    }
    return matrix, {f"{module}.{part}": _signed(value) for part, value in parts.items()}


def _signed(value: np.ndarray) -> np.ndarray:
    return value.view(np.int32) if value.dtype == np.uint32 else value


def group_of(**weights: Any) -> dict[str, Any]:
    return {"config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


KINDS: dict[str, tuple[dict[str, Any], Store]] = {
    **{
        f"mlx-{bits}": ({"quantization": {"bits": bits, "group_size": GROUP}}, mlx(bits))
        for bits in (2, 3, 4, 6, 8)
    },
    "gptq": ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": GROUP}}, gptq(1)),
    "gptq-v2": (
        {
            "quantization_config": {
                "quant_method": "gptq",
                "bits": 4,
                "group_size": GROUP,
                "checkpoint_format": "gptq_v2",
            }
        },
        gptq(2),
    ),
    "awq": ({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": GROUP}}, awq),
    "fp8": ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 48]}}, fp8),
    "packed": (
        {
            "quantization_config": {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                **group_of(num_bits=4, type="int", group_size=GROUP),
            }
        },
        packed4,
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def quantised(source: Path, folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Writes a copy whose layers' matrices are stored that way; returns the matrices that they stand for."""
    shutil.copytree(source, folder)
    settings, store = KINDS[kind]
    random = np.random.default_rng(5)
    tensors, matrices = {}, {}
    for name, tensor in load_file(source / "model.safetensors").items():
        if "layers" in name and tensor.ndim == 2:
            matrices[name], parts = store(name.removesuffix(".weight"), tensor.shape, random)
            tensors |= parts
        else:
            tensors[name] = tensor
    write_tensors(folder / "model.safetensors", tensors)
    config = json.loads((folder / "config.json").read_text()) | settings
    (folder / "config.json").write_text(json.dumps(config))
    return matrices


def write_tensors(path: Path, tensors: Tensors) -> None:
    """safetensors for numpy writes no float8."""
    names = {"float8_e4m3fn": "F8_E4M3", "bfloat16": "BF16", "float16": "F16", "float32": "F32",
             "int32": "I32", "uint32": "U32", "int64": "I64"}  # fmt: skip
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": names[tensor.dtype.name],
            "shape": tensor.shape,
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(np.ascontiguousarray(tensor).tobytes() for tensor in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_matrices_are_those_that_are_meant(kind: str, checkpoint_folder: Path, tmp_path: Path) -> None:
    matrices = quantised(checkpoint_folder, tmp_path / "packed", kind)
    checkpoint = Checkpoint(tmp_path / "packed")
    assert "quantised already" in checkpoint.notes[0]
    for name, matrix in matrices.items():
        assert checkpoint.shape(name) == matrix.shape
        assert checkpoint.tensor(name) == pytest.approx(matrix, abs=1e-6)
        assert checkpoint.rows(name, 5, 19) == pytest.approx(matrix[5:19], abs=1e-6)


@pytest.mark.parametrize("kind", ["mlx-4", "fp8"])
def test_it_is_converted_and_verified(kind: str, checkpoint_folder: Path, tmp_path: Path) -> None:
    quantised(checkpoint_folder, tmp_path / "packed", kind)
    convert(tmp_path / "packed", tmp_path / "out", weights="bf16")
    assert verify(tmp_path / "out", tmp_path / "packed", prompts=2).passed
    assert "quantization" not in (tmp_path / "out" / "config.json").read_text()
    assert open_model(tmp_path / "out").config == Checkpoint(tmp_path / "packed").config


@pytest.mark.parametrize(
    "settings",
    [
        {"quantization": {"bits": 4, "group_size": 32, "mode": "mxfp4"}},
        *({"quantization_config": {"quant_method": each}} for each in ("bitsandbytes", "hqq", "torchao", "quark")),
        {"quantization_config": {"quant_method": "gptq", "bits": 3}},
        {"quantization_config": {"quant_method": "awq", "bits": 4, "version": "gemv"}},
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized",
                                 **group_of(num_bits=4, type="float")}},
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized",
                                 "config_groups": {"a": {"weights": {"num_bits": 4}}, "b": {"weights": {}}}}},
        {"quantization_config": {"bits": 4}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_read_is_refused(
    settings: dict[str, Any], checkpoint_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint_folder, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(UnsupportedModel, match="in a way that yesrank does not read") as caught:
        Checkpoint(folder)
    assert "take the original" in str(caught.value.hint)


def test_packed_matrices_of_another_size_are_told(checkpoint_folder: Path, tmp_path: Path) -> None:
    quantised(checkpoint_folder, tmp_path / "packed", "mlx-4")
    config = json.loads((tmp_path / "packed" / "config.json").read_text())
    config["quantization"]["bits"] = 8
    (tmp_path / "packed" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="has shape"):
        Checkpoint(tmp_path / "packed")


def adapter(folder: Path, checkpoint: Checkpoint, **settings: Any) -> dict[str, np.ndarray]:
    """Writes an adapter of rank 4 for two kinds of matrices; returns what they become."""
    random = np.random.default_rng(9)
    folder.mkdir()
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 8,
        "bias": "none",
        "base_model_name_or_path": "some/base",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))
    tensors, merged = {}, {}
    for name, shape in qwen3.tensors(checkpoint.config).items():
        if "q_proj" in name or "down_proj" in name:
            down, up = (
                random.standard_normal(size).astype(np.float32) / 10
                for size in ((4, shape[1]), (shape[0], 4))
            )
            module = f"base_model.model.{name.removesuffix('.weight')}"
            tensors |= {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
            merged[name] = checkpoint.float32(name) + 2 * (up @ down)
    save_file(tensors, folder / "adapter_model.safetensors")
    return merged


def test_an_adapter_is_merged(checkpoint_folder: Path, tmp_path: Path) -> None:
    plain = Checkpoint(checkpoint_folder)
    merged = adapter(tmp_path / "adapter", plain)
    checkpoint = Checkpoint(checkpoint_folder, lora=tmp_path / "adapter")
    for name in qwen3.tensors(plain.config):
        expected = merged.get(name, plain.float32(name))
        assert checkpoint.float32(name) == pytest.approx(expected, abs=1e-5)
        assert checkpoint.rows(name, 1, 3) == pytest.approx(expected[1:3], abs=1e-5)
    assert checkpoint.notes == ("the adapter says that it was trained on some/base",)
    assert checkpoint.files[-1] == tmp_path / "adapter" / "adapter_model.safetensors"
    convert(subject_of(checkpoint_folder, lora=tmp_path / "adapter"), tmp_path / "out", weights="bf16")
    manifest = open_model(tmp_path / "out").manifest
    assert manifest is not None
    assert [*manifest.source_files] == ["model.safetensors", "adapter_model.safetensors"]


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"peft_type": "IA3"},
        {"bias": "all"},
        {"init_lora_weights": "pissa"},
        {"trainable_token_indices": [1]},
    ],
    ids=str,
)
def test_adapters_that_do_more_are_refused(
    settings: dict[str, Any], checkpoint_folder: Path, tmp_path: Path
) -> None:
    adapter(tmp_path / "adapter", Checkpoint(checkpoint_folder), **settings)
    with pytest.raises(UnsupportedModel, match="which is not merged here") as caught:
        Checkpoint(checkpoint_folder, lora=tmp_path / "adapter")
    assert "merge_and_unload" in str(caught.value.hint)


def test_an_adapter_that_does_not_fit_is_refused(checkpoint_folder: Path, tmp_path: Path) -> None:
    adapter(tmp_path / "adapter", Checkpoint(checkpoint_folder))
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    first = next(name for name in tensors if "lora_B" in name)
    save_file({**tensors, first: tensors[first][:-1].copy()}, path)
    with pytest.raises(CheckpointError, match="the adapter changes"):
        Checkpoint(checkpoint_folder, lora=tmp_path / "adapter")
    save_file({**tensors, "base_model.model.lm_head.weight": np.zeros((1200, 64), np.float32)}, path)
    with pytest.raises(UnsupportedModel, match="the adapter changes"):
        Checkpoint(checkpoint_folder, lora=tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").unlink()
    with pytest.raises(CheckpointError, match="is no LoRA adapter"):
        Checkpoint(checkpoint_folder, lora=tmp_path / "adapter")
    with pytest.raises(ModelNotFound):
        Checkpoint(checkpoint_folder, lora=tmp_path / "absent")
