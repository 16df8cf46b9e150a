"""Random checkpoints of any size, for tests and benchmarks: the real thing in every respect but the values.

Written one tensor at a time, so that a 16 GB checkpoint takes little memory.
"""

import json
import shutil
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
import numpy.typing as npt

from yesrank import qwen3
from yesrank.errors import InputError
from yesrank.qwen3 import Qwen3Config

_PUBLISHED = {
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "vocab_size": 151669,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
_TINY = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 512,
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
}


def _published(hidden: int, inner: int, layers: int, heads: int, *, tied: bool) -> Qwen3Config:
    return Qwen3Config(
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        tie_word_embeddings=tied,
        **_PUBLISHED,  # type: ignore[arg-type]
    )


PRESETS = {
    "tiny": Qwen3Config(**_TINY, tie_word_embeddings=True),  # type: ignore[arg-type]
    "tiny-untied": Qwen3Config(**_TINY, tie_word_embeddings=False),  # type: ignore[arg-type]
    "0.6b": _published(1024, 3072, 28, 16, tied=True),
    "4b": _published(2560, 9728, 36, 32, tied=True),
    "8b": _published(4096, 12288, 36, 32, tied=False),
}
"""The published sizes, and tiny ones with their proportions."""

_DTYPES: dict[str, tuple[str, Any]] = {
    "bf16": ("BF16", ml_dtypes.bfloat16),
    "f16": ("F16", np.float16),
    "f32": ("F32", np.float32),
}
_BLOCK = (
    1_000_003  # drawn values, repeated through a tensor; a prime, so that no two rows of a matrix are equal
)


def write_random_checkpoint(
    folder: Path,
    config: Qwen3Config | str = "tiny",
    *,
    dtype: str = "bf16",
    shards: int = 1,
    seed: int = 0,
    tokenizer: Path | None = None,
) -> Qwen3Config:
    """Writes config.json and random weights into `folder`, and returns the configuration.

    config: a configuration, or the name of one of PRESETS. dtype: bf16, f16 or f32. shards: number of
    safetensors files; more than one come with an index. tokenizer: a folder whose tokenizer.json and
    tokenizer_config.json are copied. Matrices are normal with deviation 0.64 / sqrt(hidden_size), which is 0.02
    for the 0.6B and keeps activations of order one at any width; norms lie in 1 +- 0.1. The same seed gives the
    same bytes. Raises InputError for an unknown preset or dtype.
    """
    config = _config(config)
    code, kind = _dtype(dtype)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_json(config), indent=2) + "\n", encoding="utf-8")
    block = np.random.default_rng(seed).standard_normal(_BLOCK, dtype=np.float32)
    matrices = (block * np.float32(0.64 / np.sqrt(config.hidden_size))).astype(kind)
    norms = (1 + 0.1 * np.tanh(block)).astype(kind)
    shapes = qwen3.tensors(config)
    files = _shard_names(shapes, shards, np.dtype(kind).itemsize)
    offset = 0
    for file, names in files.items():
        header = _header({name: shapes[name] for name in names}, code, np.dtype(kind).itemsize)
        with (folder / file).open("wb") as out:
            out.write(header)
            for name in names:
                source = norms if len(shapes[name]) == 1 else matrices
                offset = _write_tiled(out, source, offset, prod(shapes[name]))
    if shards > 1:
        _write_index(folder, files)
    if tokenizer is not None:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            if (tokenizer / file).exists():
                shutil.copyfile(tokenizer / file, folder / file)
    return config


def config_json(config: Qwen3Config) -> dict[str, Any]:
    """The content of a config.json for that configuration, as transformers writes it."""
    numbers = {key: value for key, value in asdict(config).items() if key not in ("yarn", "labels")}
    return {
        "architectures": [qwen3.CLASSIFIER if config.labels else "Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_act": "silu",
        "attention_bias": False,
        "use_sliding_window": False,
        **numbers,
        **({"rope_scaling": config.yarn.as_dict()} if config.yarn else {}),
    }


def _config(config: Qwen3Config | str) -> Qwen3Config:
    if isinstance(config, Qwen3Config):
        return config
    if config not in PRESETS:
        raise InputError("config", f"{config!r} is not known", f"use one of: {', '.join(PRESETS)}")
    return PRESETS[config]


def _dtype(name: str) -> tuple[str, Any]:
    if name not in _DTYPES:
        raise InputError("dtype", f"{name!r} is not known", f"use one of: {', '.join(_DTYPES)}")
    return _DTYPES[name]


def _shard_names(shapes: dict[str, tuple[int, ...]], shards: int, itemsize: int) -> dict[str, list[str]]:
    """File name -> tensor names, in order, with about equal bytes a file."""
    if shards == 1:
        return {"model.safetensors": list(shapes)}
    total = sum(prod(shape) for shape in shapes.values()) * itemsize
    files: dict[str, list[str]] = {f"model-{i + 1:05}-of-{shards:05}.safetensors": [] for i in range(shards)}
    names, done = list(files), 0
    for tensor, shape in shapes.items():
        files[names[min(done * shards // total, shards - 1)]].append(tensor)
        done += prod(shape) * itemsize
    return files


def _header(shapes: dict[str, tuple[int, ...]], code: str, itemsize: int) -> bytes:
    """The start of a safetensors file: the length of the JSON as a little-endian u64, then the JSON."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes.items():
        stop = start + prod(shape) * itemsize
        entries[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors are to start at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text


def _write_tiled(out: BinaryIO, block: npt.NDArray[Any], offset: int, count: int) -> int:
    """Writes `count` elements of the endlessly repeated block from `offset`; returns the offset after them."""
    raw = block.view(np.uint8).reshape(len(block), -1)
    while count:
        start = offset % len(block)
        step = min(count, len(block) - start)
        out.write(raw[start : start + step].data)
        offset, count = offset + step, count - step
    return offset


def _write_index(folder: Path, files: dict[str, list[str]]) -> None:
    places = {name: file for file, names in files.items() for name in names}
    size = sum((folder / file).stat().st_size for file in files)
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
