"""Writes ONNX files tensor by tensor, so that no more than one tensor is ever in memory.

A ModelProto that would be too large for one protobuf message keeps its tensors in files beside it. Small models are
written as one message, piece by piece: protobuf takes the fields of a message in any order, so the nodes come first
and the tensors follow. Sources: onnx.proto, and the encoding guide of Protocol Buffers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx

from yesrank.convert.folder import Meter
from yesrank.convert.onnx.stored import ELEMENTS, Stored
from yesrank.errors import ConversionError

SINGLE_FILE_LIMIT = 1 << 30
"""Bytes of tensors that still go into one file. A browser needs room for a few copies of it in 4 GB."""
DATA_FILE_LIMIT = 1_900_000_000
"""Bytes of one data file: browsers allow less than 2 GiB in a buffer. A single larger tensor has a file of its own."""
_INLINE = 1 << 14  # bytes of a tensor that stays in the .onnx file in any case
_ALIGNMENT = 4096  # a page: so that tensors can be mapped
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # field numbers in ModelProto, GraphProto, TensorProto


@dataclass(frozen=True, slots=True)
class Layout:
    """Where tensors go. external: (tensor, number of the data file, offset); inline: the others, in the .onnx."""

    inline: tuple[Stored, ...]
    external: tuple[tuple[Stored, int, int], ...]

    @property
    def data_files(self) -> int:
        """How many data files there are."""
        return 1 + max((number for _, number, _ in self.external), default=-1)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, with the gaps between them."""
        ends: dict[int, int] = {}
        for tensor, number, offset in self.external:
            ends[number] = offset + tensor.nbytes
        return sum(ends.values()) + sum(tensor.nbytes for tensor in self.inline)


def data_file(file: str, number: int) -> str:
    """The name of a data file as Transformers.js knows it: FILE_data, FILE_data_1, and so on."""
    return f"{file}_data" + (f"_{number}" if number else "")


def layout(tensors: Sequence[Stored]) -> Layout:
    """Plans one file where all tensors together keep to SINGLE_FILE_LIMIT, else data files of DATA_FILE_LIMIT."""
    if sum(tensor.nbytes for tensor in tensors) <= SINGLE_FILE_LIMIT:
        return Layout(tuple(tensors), ())
    external: list[tuple[Stored, int, int]] = []
    number, end = 0, 0
    for tensor in (tensor for tensor in tensors if tensor.nbytes > _INLINE):
        offset = -(-end // _ALIGNMENT) * _ALIGNMENT
        if offset and offset + tensor.nbytes > DATA_FILE_LIMIT:
            number, offset = number + 1, 0
        external.append((tensor, number, offset))
        end = offset + tensor.nbytes
    return Layout(tuple(tensor for tensor in tensors if tensor.nbytes <= _INLINE), tuple(external))


def write(path: Path, model: onnx.ModelProto, plan: Layout, meter: Meter) -> None:
    """Writes path and its data files. model: everything but the tensors, which is emptied."""
    for number in range(plan.data_files):
        with (path.parent / data_file(path.name, number)).open("wb") as out:
            for tensor, of, offset in plan.external:
                if of == number:
                    out.write(bytes(offset - out.tell()))
                    _write_elements(out, tensor, meter)
    graph = model.graph.SerializeToString()
    heads = [_inline_head(tensor) for tensor in plan.inline]
    references = b"".join(
        _reference(tensor, path.name, number, offset) for tensor, number, offset in plan.external
    )
    sizes = sum(len(head) + tensor.nbytes for head, tensor in zip(heads, plan.inline, strict=True))
    model.ClearField("graph")
    with path.open("wb") as out:
        out.write(model.SerializeToString())
        out.write(_tag(_GRAPH, len(graph) + len(references) + sizes) + graph + references)
        for head, tensor in zip(heads, plan.inline, strict=True):
            out.write(head)
            _write_elements(out, tensor, meter)


def _write_elements(out: BinaryIO, tensor: Stored, meter: Meter) -> None:
    written = 0
    for piece in tensor.read():
        assert piece.dtype == tensor.dtype, f"{tensor.name} is {piece.dtype}, not {tensor.dtype}"
        out.write(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)
        written += piece.nbytes
        meter.did(piece.nbytes)
    if written != tensor.nbytes:
        raise ConversionError(f"{tensor.name} has {written} bytes, planned were {tensor.nbytes}")
    meter.packed()


def _inline_head(tensor: Stored) -> bytes:
    """Everything of a tensor in a graph that stands before its elements."""
    body: bytes = _described(tensor).SerializeToString() + _tag(_RAW_DATA, tensor.nbytes)
    return _tag(_INITIALIZER, len(body) + tensor.nbytes) + body


def _reference(tensor: Stored, file: str, number: int, offset: int) -> bytes:
    """A tensor in a graph whose elements are in a data file."""
    proto = _described(tensor)
    proto.data_location = onnx.TensorProto.EXTERNAL
    place = {"location": data_file(file, number), "offset": offset, "length": tensor.nbytes}
    for key, value in place.items():
        proto.external_data.add(key=key, value=str(value))
    body: bytes = proto.SerializeToString()
    return _tag(_INITIALIZER, len(body)) + body


def _described(tensor: Stored) -> onnx.TensorProto:
    return onnx.TensorProto(name=tensor.name, data_type=ELEMENTS[tensor.dtype], dims=tensor.shape)


def _tag(field: int, size: int) -> bytes:
    """The start of a length-delimited field."""
    return bytes(_varint(field << 3 | 2)) + bytes(_varint(size))


def _varint(value: int) -> Iterator[int]:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
