"""Whether a model will fit: its file against what the machine, or the container, has left."""

from collections.abc import Mapping
from pathlib import Path

import psutil

from yesrank.engine.onnx import variants_of
from yesrank.errors import ModelError
from yesrank.manifest import read_manifest

_CGROUP = Path("/sys/fs/cgroup")
_OVERHEAD = 300 << 20  # cache and scratch of a running model of the smaller kind
# (weights in the folder, precision asked for) -> growth at load, where the weights are unpacked
_UNPACKED: Mapping[tuple[str, str], float] = {
    ("int8", "bf16"): 2.0,
    ("int4", "bf16"): 4.0,
    ("bf16", "f32"): 2.0,
}
_WIDENED: Mapping[str, float] = {"fp16": 2.3}
"""Growth of ONNX variants at load, where the CPU computes in float32 what is stored as float16."""


def available_memory() -> int:
    """Bytes that can still be taken without swapping; a container's own limit counts where it has one."""
    available = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        returned = _inactive_file((_CGROUP / "memory.stat").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return available
    return available if limit == "max" else max(0, min(available, int(limit) - used + returned))


def needed_memory(
    folder: Path, precision: str = "auto", *, engine: str | None = None, variant: str | None = None
) -> int:
    """An estimate of the bytes that a loaded model takes: its weights as they will be held, and an allowance.

    0 for a folder that cannot be read or holds no weights: loading it says why.
    """
    files = variants_of(folder)
    if files and (engine == "onnx" or variant is not None or not (folder / "openvino_model.bin").exists()):
        found = next((file for file in files if variant in (None, file.variant)), None)
        return int(_WIDENED.get(found.variant, 1.0) * found.bytes) + _OVERHEAD if found else 0
    try:
        sizes = [path.stat().st_size for path in folder.iterdir() if _is_weights(path)]
        manifest = read_manifest(folder)
    except (OSError, ModelError):
        return 0
    stored = manifest.weights if manifest is not None else "int8"
    return int(_UNPACKED.get((stored, precision), 1.0) * sum(sizes)) + _OVERHEAD if sizes else 0


def _is_weights(path: Path) -> bool:
    return path.name == "openvino_model.bin" or (
        path.suffix == ".safetensors" and path.name != "head.safetensors"
    )


def _inactive_file(stat: str) -> int:
    """Page cache that the kernel gives back on demand, though memory.current counts it."""
    fields = dict(line.split() for line in stat.splitlines())
    return int(fields.get("inactive_file", 0))
