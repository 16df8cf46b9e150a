"""Last hidden states -> vectors, in float32: cut to the dimensions that are wanted, of length one, in other types."""

from typing import Any

import numpy as np
import numpy.typing as npt

from yesrank.errors import InputError
from yesrank.types import FloatArray

OUTPUTS = ("float32", "float16", "int8", "uint8", "binary", "ubinary")
"""In which types vectors are given: see `stored`."""
LEAST_DIMENSIONS = 32
"""Below these nobody has trained Qwen3-Embedding; its model card begins here."""

Vectors = npt.NDArray[Any]
_TINY = np.float32(1e-12)


def check_dimensions(dimensions: int, full: int) -> None:
    """Raises InputError where a model of `full` dimensions has no vectors of that many."""
    least = min(LEAST_DIMENSIONS, full)
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or not least <= dimensions <= full:
        raise InputError("dimensions", f"must be {least} to {full} for this model, not {dimensions!r}")


def check_output(output: str, dimensions: int) -> None:
    """Raises InputError for an unknown type, and for bits that fill no bytes."""
    if output not in OUTPUTS:
        raise InputError("output", f"{output!r} is not known", f"use one of: {', '.join(OUTPUTS)}")
    if output in ("binary", "ubinary") and dimensions % 8:
        raise InputError(
            "dimensions",
            f"must be a multiple of 8 for {output}, which packs eight in a byte, not {dimensions}",
        )


def unit(hidden: FloatArray, dimensions: int) -> FloatArray:
    """The first `dimensions` of each hidden state, made one long: float32 [N, D] -> float32 [N, dimensions].

    Matryoshka: vectors are cut first, and normalised after that.
    """
    part = hidden[:, :dimensions].astype(np.float32)
    length = np.linalg.norm(part, axis=1, keepdims=True)
    result: FloatArray = part / np.maximum(length, _TINY)
    return result


def stored(vectors: FloatArray, output: str) -> Vectors:
    """Unit vectors float32 [N, d] in another type.

    float32, float16: as they are [N, d]. int8: round(127 v / max|v|), each vector by its own largest component: their
    cosine is that of the vectors, within half a percent or so; their dot product is not. uint8: the same plus 128.
    binary, ubinary: one bit a component, 1 where it is above 0, eight in a byte, the first in the highest bit
    [N, d / 8]: ubinary uint8, binary the same less 128 in int8. Compared by the number of bits that differ (Hamming).
    No type depends on the other vectors of a call.
    """
    if output in ("float32", "float16"):
        return vectors.astype(output)
    if output in ("binary", "ubinary"):
        bits: Vectors = np.packbits(vectors > 0, axis=1)
        return bits if output == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), _TINY)
    levels: Vectors = np.rint(vectors * (np.float32(127) / largest))
    return levels.astype(np.int8) if output == "int8" else (levels + np.float32(128)).astype(np.uint8)


def cosines(first: Vectors, second: Vectors) -> FloatArray:
    """The cosine of each row of one with each of the other: [N, d] and [M, d] -> float32 [N, M]."""
    one, other = (unit(np.asarray(each, np.float32), each.shape[1]) for each in (first, second))
    result: FloatArray = one @ other.T
    return result
