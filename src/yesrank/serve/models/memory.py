"""Whether a model will fit: its file against what the machine, or the container, has left."""

import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from yesrank.engine.bounds import FREE_BLOCKS, FREE_BYTES, KERNEL_BYTES, PREFIX_BYTES
from yesrank.engine.onnx import variants_of
from yesrank.errors import ModelError
from yesrank.manifest import read_manifest
from yesrank.qwen3 import Qwen3Config

_CGROUP = Path("/sys/fs/cgroup")
_PROCESS = 100 << 20  # libraries, and what they hold from their first model on, when that is closed too
_LOADERS = {"openvino": "yesrank.engine.openvino.load", "onnx": "yesrank.engine.onnx.load"}
"""Imported with an engine's first model: from then on the process holds its libraries."""
_BLOCK_TOKENS = 32  # of the KV cache, float32 at the most
_CALL_TOKENS = 1024  # the largest call of any engine
# (weights in the folder, precision asked for) -> growth at load, where the weights are unpacked
_UNPACKED: Mapping[tuple[str, str], float] = {
    ("int8", "bf16"): 3.5,  # the unpacked matrices stay beside the packed ones
    ("int4", "bf16"): 4.0,
    ("bf16", "f32"): 2.0,
}
_EMBEDDING = 1.5
"""onnxruntime: bytes at load for each number of the embedding, besides what is stored. The 0.6B took 230 MB as int8."""
_TOKENIZERS, _ENTRY = 15_000_000, 1000
"""Bytes of a model's two tokenizers, and for each entry of theirs: 20,473 took 30 MB, 151,643 took 128 MB."""
_WIDENED: Mapping[str, float] = {"fp16": 2.3}
"""Growth of ONNX variants at load, where the CPU computes in float32 what is stored as float16."""


def available_memory() -> int:
    """Bytes that can still be taken without swapping; a container's own limit counts where it has one."""
    available = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        returned = _file_pages((_CGROUP / "memory.stat").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return available
    return available if limit == "max" else max(0, min(available, int(limit) - used + returned))


def needed_memory(
    folder: Path, precision: str = "auto", *, engine: str | None = None, variant: str | None = None
) -> int:
    """An estimate of the bytes that a model takes in use: weights as they will be held, and what its engine may keep.

    Libraries are counted for the first model of their kind only. A prompt so long that its keys and values exceed the
    cache's bound takes more while it runs.
    0 for a folder that cannot be read or holds no weights: loading it says why.
    """
    files = variants_of(folder)
    if files and (engine == "onnx" or variant is not None or not (folder / "openvino_model.bin").exists()):
        found = next((file for file in files if variant in (None, file.variant)), None)
        return int(_WIDENED.get(found.variant, 1.0) * found.bytes) + _in_use(folder, "onnx") if found else 0
    try:
        sizes = [path.stat().st_size for path in folder.iterdir() if _is_weights(path)]
        manifest = read_manifest(folder)
    except (OSError, ModelError):
        return 0
    stored = manifest.weights if manifest is not None else "int8"
    if not sizes:
        return 0
    return int(_UNPACKED.get((stored, precision), 1.0) * sum(sizes)) + _in_use(folder, "openvino")


def _in_use(folder: Path, engine: str) -> int:
    """What a model holds besides the weights: tokenizers, what engine/bounds.py says, and one call's numbers."""
    kept = PREFIX_BYTES + (0 if _LOADERS[engine] in sys.modules else _PROCESS)
    try:
        config = Qwen3Config.from_folder(folder)
    except ModelError:
        return kept + KERNEL_BYTES + FREE_BYTES
    kept += _TOKENIZERS + _ENTRY * config.vocab_size
    token = (
        8 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    )  # keys, values in float32
    call = 4 * _CALL_TOKENS * (4 * config.hidden_size + 3 * config.intermediate_size)
    if engine == "openvino":
        return kept + call + KERNEL_BYTES + min(FREE_BYTES, FREE_BLOCKS * _BLOCK_TOKENS * token)
    scores = 8 * config.num_attention_heads * _CALL_TOKENS**2  # before and after the softmax
    embedding = int(_EMBEDDING * config.vocab_size * config.hidden_size)
    return kept + call + embedding + scores + _CALL_TOKENS * token


def _is_weights(path: Path) -> bool:
    return path.name == "openvino_model.bin" or (
        path.suffix == ".safetensors" and path.name != "head.safetensors"
    )


def _file_pages(stat: str) -> int:
    """Page cache that the kernel gives back on demand, though memory.current counts it.

    The active part too, as in what Linux calls available: weights that were read twice, to be hashed and to be loaded,
    stay in it after their model is gone, and would keep it from coming back.
    """
    fields = dict(line.split() for line in stat.splitlines())
    return int(fields.get("inactive_file", 0)) + int(fields.get("active_file", 0))
