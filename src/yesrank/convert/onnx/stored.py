"""A tensor of an ONNX file before it exists: its name, type and shape now, its bytes when they are written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

import ml_dtypes  # noqa: F401
import numpy as np

from yesrank.convert.quantize import Array

ELEMENTS = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": 7,
    "float16": 10,
}
"""numpy's name of a type -> its number in onnx.TensorProto."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One initializer. read: yields its elements in memory order, in pieces of any shape; called once a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Iterable[Array]]

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def constant(name: str, values: Array) -> Stored:
    """A tensor whose values are known already."""
    return Stored(name, values.dtype.name, values.shape, lambda: (values,))
