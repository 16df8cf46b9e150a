"""A checkpoint's matrices, read in blocks of rows and packed on all cores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import ml_dtypes
import numpy as np

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.quantize import (
    LEVELS,
    Array,
    Packed,
    asymmetric,
    group_size,
    pack_u4,
    symmetric,
    to_bf16_bits,
    widen,
)
from yesrank.errors import CheckpointError, ConversionError, InputError
from yesrank.qwen3 import Qwen3Config
from yesrank.types import FloatArray

KINDS = ("int8", "bf16", "f16", "int8-sym", "int4")
"""How matrices may be stored. int4 keeps the embedding and the head in 8 bits."""

_BLOCK = 1 << 18  # elements at a time: 1 MiB in float32, which stays in a core's cache
_F16_MAX = 65504
_FLOATS = {"bf16": np.uint16, "f16": np.float16, "f32": np.float32}


def stored_kind(weights: str, name: str, width: int) -> str:
    """bf16, f16, u8, i8, u4, or f32 (a classifier's two rows): how the matrix `name` of that width is stored."""
    if weights not in KINDS:
        raise InputError("weights", f"{weights!r} is not known", f"use one of: {', '.join(KINDS)}")
    if name == qwen3.SCORE:
        return "f32"
    if weights == "int4":
        keep = name in (qwen3.EMBEDDING, qwen3.HEAD) or group_size(width) is None
        return "u8" if keep else "u4"
    return {"int8": "u8", "int8-sym": "i8"}.get(weights, weights)


def planned_bytes(config: Qwen3Config, weights: str) -> int:
    """The size of all stored tensors together, known before any is read."""
    return sum(stored_bytes(weights, name, shape) for name, shape in qwen3.tensors(config).items())


def stored_bytes(weights: str, name: str, shape: tuple[int, ...]) -> int:
    """The size of one tensor as stored, with scales and zero points. Norms are float32."""
    if len(shape) == 1:
        return shape[0] * 4
    rows, width = shape
    kind = stored_kind(weights, name, width)
    if kind == "u4":
        groups = rows * (width // (group_size(width) or width))
        return rows * width // 2 + groups * 2 + (groups + 1) // 2
    return {"u8": rows * (width + 3), "i8": rows * (width + 2), "f32": rows * width * 4}.get(
        kind, rows * width * 2
    )


class Packer:
    """Reads and packs one matrix at a time. A context manager: it owns threads."""

    def __init__(self, checkpoint: Checkpoint, weights: str) -> None:
        self._checkpoint, self._weights = checkpoint, weights
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def __enter__(self) -> "Packer":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def pack(self, name: str, did: Callable[[int], None]) -> Packed:
        """A matrix by its checkpoint name, as it is to be stored.

        did: called with the number of rows finished since the last call, in the caller's thread. Raises
        CheckpointError where the matrix holds NaN or infinity or cannot be read, ConversionError where a value
        is too large for the float16 that was asked for.
        """
        rows, width = self._checkpoint.shape(name)
        kind = stored_kind(self._weights, name, width)
        packed = _allocate(kind, rows, width)

        def block(start: int) -> int:
            where = slice(start, min(start + step, rows))
            source = self._checkpoint.rows(name, where.start, where.stop)
            refuse_non_finite(name, source)
            _write(name, packed, where, source)
            return len(source)

        step = max(1, _BLOCK // width)
        for finished in self._pool.map(block, range(0, rows, step)):
            did(finished)
        self._checkpoint.release()
        if packed.scale is not None:
            refuse_overflow(name, packed.scale.astype(np.float32) * LEVELS[kind])
        if kind == "u4" and packed.zero_point is not None:
            packed = replace(packed, zero_point=pack_u4(packed.zero_point))
        return packed


def _allocate(kind: str, rows: int, width: int) -> Packed:
    if kind == "u4":
        size = group_size(width)
        assert size is not None
        groups = width // size
        return Packed(
            kind,
            (rows, groups, size),
            np.empty((rows, width // 2), np.uint8),
            np.empty((rows, groups, 1), np.float16),
            np.empty((rows, groups, 1), np.uint8),
        )
    if kind in _FLOATS:
        return Packed(kind, (rows, width), np.empty((rows, width), _FLOATS[kind]))
    values = np.empty((rows, width), np.uint8 if kind == "u8" else np.int8)
    zero_point = np.empty((rows, 1), np.uint8) if kind == "u8" else None
    return Packed(kind, (rows, width), values, np.empty((rows, 1), np.float16), zero_point)


def _write(name: str, packed: Packed, where: slice, source: Array) -> None:
    """Packs the rows `where` of a matrix."""
    if packed.kind == "bf16":
        packed.values[where] = to_bf16_bits(source)
    elif packed.kind == "f32":
        packed.values[where] = widen(source)
    elif packed.kind == "f16":
        _write_f16(name, packed.values[where], source)
    elif packed.kind == "i8":
        packed.values[where], scale = symmetric(widen(source))
        _write_scale(packed, where, scale)
    else:
        four = packed.kind == "u4"
        weights = widen(source).reshape(-1, *packed.shape[1:])
        values, scale, zero_point = asymmetric(weights, 4 if four else 8)
        packed.values[where] = pack_u4(values).reshape(len(values), -1) if four else values
        assert packed.zero_point is not None
        packed.zero_point[where] = zero_point
        _write_scale(packed, where, scale)


def _write_f16(name: str, out: Array, source: Array) -> None:
    with np.errstate(over="ignore"):
        out[:] = widen(source)
    refuse_overflow(name, out)


def _write_scale(packed: Packed, where: slice, scale: FloatArray) -> None:
    assert packed.scale is not None
    with np.errstate(over="ignore"):
        packed.scale[where] = scale


def refuse_overflow(name: str, stored: Array) -> None:
    """Raises ConversionError where values of the matrix are not finite in float16."""
    if not (np.abs(stored) <= _F16_MAX).all():
        raise ConversionError(
            f"{name} holds values too large for float16",
            "ask for a type with float32's range: weights bf16 (OpenVINO), variant fp32 (ONNX)",
        )


def refuse_non_finite(name: str, source: Array) -> None:
    """Raises CheckpointError where rows of the matrix hold NaN or infinity."""
    if source.dtype == ml_dtypes.bfloat16:  # by its bits, which is many times faster than np.isfinite
        finite = not ((source.view(np.uint16) & 0x7F80) == 0x7F80).any()
    else:
        finite = bool(np.isfinite(source).all())
    if not finite:
        raise CheckpointError(f"{name} holds NaN or infinity: the file is corrupt", "download the file again")
