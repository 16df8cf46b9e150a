"""An ONNX file's graph without its weights: those stay in the file, and are read or mapped from there.

A graph of 600 MB is a few hundred KB of nodes, and tensors. Parsed as a whole it would be in memory three times before
onnxruntime has packed it; here each large tensor becomes a reference to its place in the file, in the way in which
ONNX refers to external data, so that nodes can be changed and weights are loaded once.

Source of the layout: onnx.proto (field numbers) and the encoding of protocol buffers.
"""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from yesrank.errors import ModelError

_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9
_SMALL = 1024  # tensors of fewer bytes stay in the graph: shapes and scalars, which onnxruntime folds
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_AGAIN = "convert or download the model again"

Buffer = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Place:
    """File, first byte, and number of bytes (None: all the rest) of a tensor."""

    location: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Skimmed:
    """model: with every large tensor a reference to a file; base: the folder from which these files are named."""

    model: onnx.ModelProto
    base: Path


def skim(path: Path) -> Skimmed:
    """Reads a graph; its data files are looked for, and none is read.

    Raises ModelError where the file is no ONNX model or cut short, and where data files are missing or cut short.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model = onnx.ModelProto.FromString(_model(data, path.name))
    except (OSError, ValueError, IndexError, DecodeError) as error:
        raise ModelError(f"{path} is cut short, or no ONNX model: {error}", _AGAIN) from error
    if not model.graph.node:
        raise ModelError(f"{path} is cut short, or no ONNX model: it holds no graph", _AGAIN)
    return Skimmed(model, _resolve(model, path))


def place_of(tensor: onnx.TensorProto) -> Place:
    """Where the data of an external tensor lies."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    length = entries.get("length")
    return Place(
        entries.get("location", ""), int(entries.get("offset", 0)), None if length is None else int(length)
    )


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the tensor's data lies in a file."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _resolve(model: onnx.ModelProto, path: Path) -> Path:
    """Names every data file from one folder, links followed, and returns that.

    In the cache of Hugging Face all files are links to another folder, which onnxruntime refuses to follow.
    """
    external = [tensor for tensor in model.graph.initializer if is_external(tensor)]
    files: dict[str, Path] = {}
    for tensor in external:
        place = place_of(tensor)
        if place.location not in files:
            files[place.location] = _data_file(path.parent, place.location)
        _check_size(tensor.name, place, files[place.location])
    base = Path(os.path.commonpath([path.resolve().parent, *(each.parent for each in files.values())]))
    for tensor in external:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = files[entry.value].relative_to(base).as_posix()
    return base


def _data_file(folder: Path, location: str) -> Path:
    if not location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise ModelError(f"the weights are said to lie in {location!r}, outside {folder}", _AGAIN)
    path = folder / location
    if not path.is_file():
        raise ModelError(
            f"{path} is missing: it holds weights of this variant",
            "download it into the same folder, or convert again",
        )
    return path.resolve()


def _check_size(name: str, place: Place, path: Path) -> None:
    end, found = place.offset + (place.length or 0), path.stat().st_size
    if found < end:
        raise ModelError(f"{path} is cut short: it has {found} bytes, {name} ends at {end}", _AGAIN)


def _model(data: Buffer, name: str) -> bytes:
    parts = []
    for field, start, begin, end in _fields(data, 0, len(data)):
        parts.append(
            _field(field, _graph(data, begin, end, name)) if field == _MODEL_GRAPH else data[start:end]
        )
    return b"".join(parts)


def _graph(data: Buffer, begin: int, end: int, name: str) -> bytes:
    parts = []
    for field, start, inner, stop in _fields(data, begin, end):
        if field == _GRAPH_INITIALIZER and stop - inner > _SMALL:
            parts.append(_field(field, _tensor(data, inner, stop, name)))
        else:
            parts.append(data[start:stop])
    return b"".join(parts)


def _tensor(data: Buffer, begin: int, end: int, name: str) -> bytes:
    """The tensor, its raw data replaced by a reference to it."""
    rest, raw = [], None
    for field, start, inner, stop in _fields(data, begin, end):
        if field == _TENSOR_RAW_DATA and stop - inner > _SMALL:
            raw = (inner, stop - inner)
        else:
            rest.append(data[start:stop])
    if raw is None:
        return b"".join(rest)
    reference = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", name), ("offset", str(raw[0])), ("length", str(raw[1]))):
        reference.external_data.add(key=key, value=value)
    return b"".join([*rest, reference.SerializeToString()])


def _fields(data: Buffer, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, start, start of the content, end) of each field of a message."""
    while position < end:
        start = position
        key, position = _varint(data, position)
        begin = position
        kind = key & 7
        if kind == _VARINT:
            _, position = _varint(data, position)
        elif kind == _BYTES:
            size, begin = _varint(data, position)
            position = begin + size
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {kind} at byte {start}")
        if position > end:
            raise ValueError(f"a field at byte {start} ends at {position}, after the end at {end}")
        yield key >> 3, start, begin, position


def _varint(data: Buffer, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(f"a number before byte {position} does not end")


def _field(number: int, content: bytes) -> bytes:
    """A field of the wire type for bytes and messages."""
    return _encoded(number << 3 | _BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
