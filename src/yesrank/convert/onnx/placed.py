"""Finds the tensors of a written ONNX file without reading them: the other half of files.py, for the check."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from yesrank.convert.onnx.stored import ELEMENTS
from yesrank.convert.quantize import Array
from yesrank.errors import ConversionError

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # field numbers in ModelProto, GraphProto, TensorProto
_FIXED = {1: 8, 5: 4}  # bytes of a field, by its wire type
_DTYPES = {number: name for name, number in ELEMENTS.items()}


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the elements of a tensor are."""

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def mapped(self) -> Array:
        """The elements, mapped from the file. Raises ConversionError where the file is too short."""
        try:
            return np.memmap(self.file, self.dtype, "r", self.offset, self.shape)
        except (OSError, ValueError) as error:
            raise ConversionError(f"{self.file.name} ends before its tensors do: {error}") from error


def placed(path: Path) -> dict[str, Placed]:
    """Every tensor of an ONNX file by name. Raises ConversionError for a file that is cut short or no ONNX file."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return dict(
                _tensor(path, content, *where)
                for field, *graph in _fields(content, 0, len(content))
                if field == _GRAPH
                for inner, *where in _fields(content, *graph)
                if inner == _INITIALIZER
            )
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ConversionError(f"{path.name} is no whole ONNX file: {error}") from error


def _tensor(path: Path, content: mmap.mmap, start: int, stop: int) -> tuple[str, Placed]:
    described, file, offset = b"", path, 0
    before = start
    for field, first, last in _fields(content, start, stop):
        if field == _RAW_DATA:
            offset = first
        else:
            described += content[before:last]
        before = last
    tensor = onnx.TensorProto.FromString(described)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        place = {entry.key: entry.value for entry in tensor.external_data}
        file, offset = path.parent / place["location"], int(place["offset"])
    return tensor.name, Placed(file, offset, _DTYPES[tensor.data_type], tuple(tensor.dims))


def _fields(content: mmap.mmap, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, stop) of each field's content between two places of a protobuf message."""
    while at < stop:
        key, at = _varint(content, at)
        wire = key & 7
        if wire == 0:
            start, (_, end) = at, _varint(content, at)
        elif wire == 2:
            size, start = _varint(content, at)
            end = start + size
        else:
            start, end = at, at + _FIXED[wire]
        if end > stop:
            raise ValueError(f"a field ends at byte {end}, what holds it at {stop}")
        yield key >> 3, start, end
        at = end


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    """A number, and the place after it."""
    value, shift = 0, 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
