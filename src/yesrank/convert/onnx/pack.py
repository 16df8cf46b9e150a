"""Checkpoint matrices -> the stored forms of the ONNX files, in pure numpy, a block of rows at a time.

    f32, f16   as they are
    s8         int8, one float32 scale a row: w = scale * value
    b8         uint8 in blocks of 32 along a row: w = scale * (value - 128)
    q4         as MatMulNBits takes it: 4 bits in blocks of 32, the first of two in the low half of a byte, with a
               zero point a block, packed alike: w = scale * (value - zero point)

Rows that are no multiple of 32 are filled up with zeros.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from yesrank.checkpoint import Checkpoint
from yesrank.convert.quantize import Array, pack_u4, widen
from yesrank.convert.weights import refuse_non_finite, refuse_overflow
from yesrank.types import FloatArray

BLOCK = 32
_ELEMENTS = 1 << 18  # at a time and thread: 1 MiB in float32, which stays in a core's cache
_PARTS_OF_THE_RANGE = (0.9, 0.8)  # that are tried besides the whole
_AHEAD = 64  # blocks packed ahead of the disk: no more than these are ever waiting
_TINY = np.float32(np.finfo(np.float32).tiny)

Parts = Mapping[str, Array]
"""What a matrix is stored as: "values", and where it is quantised "scale" and "zero_point"."""


def blocks(width: int) -> int:
    """How many blocks a row of that width takes."""
    return -(-width // BLOCK)


def f32(rows: FloatArray) -> Parts:
    """float32 [N, K]."""
    return {"values": rows}


def f16(rows: FloatArray) -> Parts:
    """float16 [N, K]."""
    with np.errstate(over="ignore"):
        return {"values": rows.astype(np.float16)}


def s8(rows: FloatArray) -> Parts:
    """int8 [N, K] and float32 scales [N]; the largest magnitude of a row becomes 127."""
    scale = np.maximum(np.abs(rows).max(axis=1) / np.float32(127), _TINY)
    return {"values": np.rint(rows / scale[:, None]).astype(np.int8), "scale": scale}


def b8(rows: FloatArray) -> Parts:
    """uint8 [N, blocks, 32] and float32 scales [N, blocks]."""
    grouped = _grouped(rows)
    scale = np.maximum(np.abs(grouped).max(axis=2) / np.float32(127), _TINY)
    values = np.rint(grouped / scale[:, :, None]) + np.float32(128)
    return {"values": values.astype(np.uint8), "scale": scale}


def q4(rows: FloatArray) -> Parts:
    """uint8 [N, blocks, 16], float32 scales [N, blocks], zero points uint8 [N, ceil(blocks / 2)]."""
    grouped = _grouped(rows)
    count = grouped.shape[1]
    levels, scale, zero_point = _least_error(grouped)
    zero_point = np.pad(zero_point.reshape(len(rows), count), ((0, 0), (0, count % 2)))
    return {
        "values": pack_u4(levels.astype(np.uint8)).reshape(len(rows), count, BLOCK // 2),
        "scale": scale.reshape(len(rows), count),
        "zero_point": pack_u4(zero_point.astype(np.uint8)).reshape(len(rows), -1),
    }


def _least_error(grouped: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """4-bit levels [N, blocks, 32] and scales and zero points [N, blocks, 1] of the range with the least squared error.

    Cutting a block's outermost weights off a little makes the steps of all others finer: on a trained model this
    took a third off the error of the logits.
    """
    low = np.minimum(grouped.min(axis=2, keepdims=True), np.float32(0))
    high = np.maximum(grouped.max(axis=2, keepdims=True), np.float32(0))
    best = _rounded(grouped, low, high)
    least = _squared_error(grouped, *best)
    for part in _PARTS_OF_THE_RANGE:
        other = _rounded(grouped, low * np.float32(part), high * np.float32(part))
        error = _squared_error(grouped, *other)
        better = error < least
        for kept, new in zip(best, other, strict=True):
            np.copyto(kept, new, where=better)
        np.copyto(least, error, where=better)
    return best


def _rounded(
    grouped: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Levels, scales and zero points for given ranges, which include 0."""
    scale = np.maximum((high - low) / np.float32(15), _TINY)
    zero_point = np.clip(np.rint(-low / scale), np.float32(0), np.float32(15))
    levels = grouped / scale
    np.rint(levels, out=levels)
    levels += zero_point
    np.clip(levels, np.float32(0), np.float32(15), out=levels)
    return levels, scale, zero_point


def _squared_error(
    grouped: FloatArray, levels: FloatArray, scale: FloatArray, zero_point: FloatArray
) -> FloatArray:
    error = levels - zero_point
    error *= scale
    error -= grouped
    total: FloatArray = np.einsum("nbk,nbk->nb", error, error)[:, :, None]
    return total


PACKERS: dict[str, Callable[[FloatArray], Parts]] = {"f32": f32, "f16": f16, "s8": s8, "b8": b8, "q4": q4}


class Packer:
    """Reads and packs matrices on all cores. A context manager: it owns threads."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def __enter__(self) -> "Packer":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def stream(self, name: str, kind: str, factor: float = 1.0) -> Iterator[Parts]:
        """The parts of consecutive blocks of rows. factor: what every weight is multiplied with, a power of two.

        Raises CheckpointError where the matrix holds NaN or infinity or cannot be read, ConversionError where a
        value is too large for float16.
        """
        rows, width = self._checkpoint.shape(name)
        step = max(1, _ELEMENTS // width)

        def block(start: int) -> Parts:
            source = self._checkpoint.rows(name, start, min(start + step, rows))
            refuse_non_finite(name, source)
            wide = widen(source)
            return PACKERS[kind](wide if factor == 1 else wide * np.float32(factor))

        for first in range(0, rows, step * _AHEAD):
            for parts in self._pool.map(block, range(first, min(first + step * _AHEAD, rows), step)):
                if kind == "f16":
                    refuse_overflow(name, parts["values"])
                yield parts
        self._checkpoint.release()


def _grouped(rows: FloatArray) -> FloatArray:
    """[N, K] as [N, blocks, 32], filled up with zeros."""
    count, width = rows.shape
    missing = blocks(width) * BLOCK - width
    return np.pad(rows, ((0, 0), (0, missing))).reshape(count, -1, BLOCK)
