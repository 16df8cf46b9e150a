"""Weights -> the stored forms of the OpenVINO IR, in pure numpy.

Rounding follows NNCF's weight compression: scale and zero point come from the float32 range of a row
(or group), weights are rounded with the float32 scale, and the scale is stored as float16.
Source: `weight_lowering.py` and `calculate_scale_zero_point` of openvinotoolkit/nncf.
"""

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from yesrank.types import FloatArray

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

GROUP_SIZES = (128, 64, 32)
LEVELS = {"u8": 255, "i8": 128, "u4": 15}
"""By kind: how many scales a weight may be away from zero."""
_EPS = np.float32(np.finfo(np.float32).eps)  # NNCF's least scale: keeps a row of zeros from dividing by zero


@dataclass(frozen=True, slots=True)
class Packed:
    """A matrix as it is stored.

    kind: bf16, f16, u8, i8 or u4. shape: of the values, [O, I], or [O, G, S] for u4 in G groups of S.
    values: the stored elements (bf16 as uint16 bits; u4 as bytes, two elements each, the first in the low half).
    scale: float16 [O, 1] or [O, G, 1]; zero_point: uint8 [O, 1], or packed like the values for u4.
    """

    kind: str
    shape: tuple[int, ...]
    values: Array
    scale: Array | None = None
    zero_point: Array | None = None

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum(part.nbytes for part in (self.values, self.scale, self.zero_point) if part is not None)


def group_size(width: int) -> int | None:
    """The int4 group size for rows of that width, or None where no group fits and 8 bits must do."""
    return next((size for size in GROUP_SIZES if width % size == 0), None)


def widen(block: Array) -> FloatArray:
    """bfloat16, float16, float32 or 8-bit integers -> float32, exactly."""
    if block.dtype == ml_dtypes.bfloat16:
        bits = block.view(np.uint16).astype(np.uint32)
        bits <<= np.uint32(16)
        return bits.view(np.float32)
    return block.astype(np.float32, copy=False)


def to_bf16_bits(block: Array) -> npt.NDArray[np.uint16]:
    """bfloat16 bits: a copy of a bfloat16 source, otherwise rounded to nearest even."""
    if block.dtype != ml_dtypes.bfloat16:
        block = block.astype(ml_dtypes.bfloat16)
    bits: npt.NDArray[np.uint16] = block.view(np.uint16)
    return bits


def asymmetric(weights: FloatArray, bits: int) -> tuple[Bytes, FloatArray, Bytes]:
    """Unsigned quantisation along the last axis: (values, float32 scale, zero point).

    weights: float32 [..., N]; the range always includes 0, which is stored exactly. Dequantised, a weight
    is scale * (value - zero_point), within scale / 2 of the original before the scale is rounded to float16.
    """
    top = np.float32(2**bits - 1)
    low = np.minimum(weights.min(axis=-1, keepdims=True), np.float32(0))
    high = np.maximum(weights.max(axis=-1, keepdims=True), np.float32(0))
    scale = np.maximum((high - low) / top, _EPS)
    zero_point = np.clip(-np.rint(low / scale), 0, top)
    levels = weights / scale
    levels += zero_point
    np.rint(levels, out=levels)
    np.clip(levels, 0, top, out=levels)
    return levels.astype(np.uint8), scale, zero_point.astype(np.uint8)


def symmetric(weights: FloatArray) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Signed 8-bit quantisation along the last axis: (values, float32 scale), weight = scale * value.

    The scale takes the sign that puts the largest magnitude at -128, the end with one more level.
    """
    low = -weights.min(axis=-1, keepdims=True)
    high = weights.max(axis=-1, keepdims=True)
    scale = np.where(low >= high, low, -high) / np.float32(128)
    scale = np.where(np.abs(scale) < _EPS, _EPS, scale)
    levels = weights / scale
    np.rint(levels, out=levels)
    np.clip(levels, -128, 127, out=levels)
    return levels.astype(np.int8), scale


def pack_u4(values: Bytes) -> Bytes:
    """Two 4-bit values a byte in memory order, the first in the low half; an odd end is padded with 0."""
    flat = values.reshape(-1)
    if flat.size % 2:
        flat = np.append(flat, np.uint8(0))
    packed: Bytes = flat[0::2] | (flat[1::2] << np.uint8(4))
    return packed


def unpack_u4(packed: Bytes, shape: tuple[int, ...]) -> Bytes:
    """The inverse of pack_u4: uint8 of that shape."""
    pairs = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
    return pairs.reshape(-1)[: int(np.prod(shape))].reshape(shape)
