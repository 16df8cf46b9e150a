"""Single rows of a weight in an ONNX graph, as float32, whatever form it is stored in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from yesrank.engine.onnx.skim import is_external, place_of
from yesrank.errors import UnsupportedModel
from yesrank.types import FloatArray

_UNKNOWN = "use a folder with head.safetensors: yesrank convert SRC DST --format onnx"


@dataclass(frozen=True, slots=True)
class Weights:
    """The initialisers of a graph by name, and the nodes by the names of their outputs."""

    tensors: Mapping[str, onnx.TensorProto]
    producers: Mapping[str, onnx.NodeProto]
    base: Path

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def read(self, name: str) -> np.ndarray:
        """A whole tensor; a large one is mapped, not read."""
        tensor = self.tensors[name]
        if not is_external(tensor):
            return numpy_helper.to_array(tensor)
        place = place_of(tensor)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        size = int(np.prod(tensor.dims)) * dtype.itemsize
        data = np.memmap(self.base / place.location, np.uint8, "r", place.offset, (size,))
        return data.view(dtype).reshape(tuple(tensor.dims))

    def rows(self, name: str, ids: Sequence[int], axis: int) -> FloatArray:
        """float32 [len(ids), D]: entries `ids` along `axis` of a matrix, itself stored or computed from one."""
        if name in self:
            return np.moveaxis(self.read(name), axis, 0)[list(ids)].astype(np.float32)
        node = self.producers.get(name)
        if node is None:
            raise UnsupportedModel(f"the output embedding is computed from the input {name}", _UNKNOWN)
        if node.op_type in ("Cast", "Identity"):
            return self.rows(node.input[0], ids, axis)
        if node.op_type == "Transpose":
            return self.rows(node.input[0], ids, 1 - axis)
        if node.op_type == "DequantizeLinear" and self._whole_rows(node, axis):
            return _scaled(self, node.input[0], node.input[1], node.input[2:3], ids, axis)
        raise UnsupportedModel(
            f"the output embedding comes from a {node.op_type}, which is not known", _UNKNOWN
        )

    def columns(self, product: onnx.NodeProto) -> int:
        """How many numbers a product gives for each row: rows of the matrix, as they are read here."""
        attributes = attributes_of(product)
        if product.op_type == "MatMulNBits":
            return int(str(attributes["N"]))
        shape = self._shape(product.input[1])
        return (
            shape[0] if product.op_type in ("Gemm", "FusedMatMul") and attributes.get("transB") else shape[1]
        )

    def _shape(self, name: str) -> tuple[int, ...]:
        if name in self:
            return tuple(self.tensors[name].dims)
        node = self.producers.get(name)
        if node is None or node.op_type not in ("Cast", "Identity", "Transpose", "DequantizeLinear"):
            raise UnsupportedModel("the output embedding is not a stored matrix", _UNKNOWN)
        shape = self._shape(node.input[0])
        return shape[::-1] if node.op_type == "Transpose" else shape

    def _whole_rows(self, node: onnx.NodeProto, axis: int) -> bool:
        """Whether each row has one scale, or all have the same."""
        attributes = attributes_of(node)
        scales = self.tensors[node.input[1]].dims
        return not scales or (
            len(scales) == 1 and not attributes.get("block_size") and attributes.get("axis", 1) == axis
        )


def attributes_of(node: onnx.NodeProto) -> dict[str, object]:
    """Attributes by name, as Python values."""
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def matmul_rows(weights: Weights, node: onnx.NodeProto, ids: Sequence[int]) -> FloatArray:
    """MatMul: B [D, V]."""
    return weights.rows(node.input[1], ids, axis=1)


def gemm_rows(weights: Weights, node: onnx.NodeProto, ids: Sequence[int]) -> FloatArray:
    """Gemm: B [V, D] where transB is set, else [D, V]."""
    return weights.rows(node.input[1], ids, axis=0 if attributes_of(node).get("transB") else 1)


def integer_rows(weights: Weights, node: onnx.NodeProto, ids: Sequence[int]) -> FloatArray:
    """MatMulInteger: B int8 [D, V] and its zero point; the scale is applied by the Mul that follows."""
    scale = _weight_scale(weights, node)
    return _scaled(weights, node.input[1], scale, node.input[3:4], ids, axis=1)


def integer_to_float_rows(weights: Weights, node: onnx.NodeProto, ids: Sequence[int]) -> FloatArray:
    """MatMulIntegerToFloat: A, B int8 [D, V], scales of A and B, zero points of A and B."""
    return _scaled(weights, node.input[1], node.input[3], node.input[5:6], ids, axis=1)


def dynamic_rows(weights: Weights, node: onnx.NodeProto, ids: Sequence[int]) -> FloatArray:
    """DynamicQuantizeMatMul: A, B int8 [D, V], scale of B, zero point of B."""
    return _scaled(weights, node.input[1], node.input[2], node.input[3:4], ids, axis=1)


def nbits_rows(weights: Weights, node: onnx.NodeProto, ids: Sequence[int]) -> FloatArray:
    """MatMulNBits: B uint8 [V, blocks, block * bits / 8], low bits first; scales and zero points per block."""
    attributes = attributes_of(node)
    bits, block, inner = (int(str(attributes[name])) for name in ("bits", "block_size", "K"))
    packed = weights.read(node.input[1]).reshape(int(str(attributes["N"])), -1)[list(ids)]
    values = _unpacked(packed, bits).reshape(len(ids), -1, block)
    blocks = values.shape[1]
    scales = weights.read(node.input[2]).reshape(-1, blocks)[list(ids)].astype(np.float32)
    zero: np.ndarray = np.float32(1 << (bits - 1)) * np.ones_like(scales)
    if len(node.input) > 3 and node.input[3]:
        points = weights.read(node.input[3])
        stored = points.reshape(int(str(attributes["N"])), -1)[list(ids)]
        zero = (_unpacked(stored, bits)[:, :blocks] if points.dtype == np.uint8 else stored).astype(
            np.float32
        )
    result: FloatArray = ((values - zero[..., None]) * scales[..., None]).reshape(len(ids), -1)[:, :inner]
    return result


RowReader = Callable[[Weights, onnx.NodeProto, Sequence[int]], FloatArray]
READERS: Mapping[str, RowReader] = {
    "MatMul": matmul_rows,
    "FusedMatMul": gemm_rows,
    "Gemm": gemm_rows,
    "MatMulInteger": integer_rows,
    "MatMulIntegerToFloat": integer_to_float_rows,
    "DynamicQuantizeMatMul": dynamic_rows,
    "MatMulNBits": nbits_rows,
}
"""Products with a weight, by their operator."""
_NUMPYS_OWN = {
    getattr(onnx.TensorProto, name)
    for name in ("FLOAT", "FLOAT16", "INT8", "UINT8", "INT32", "INT64", "BOOL")
}
"""Element types that numpy has, and not only onnx's extensions of it."""


def what_stays(model: onnx.ModelProto, base: Path) -> dict[str, np.ndarray]:
    """In memory, the tensors that are read at each call: embedding, norms, scales; not the matrices of products.

    onnxruntime maps all from their files and lets go of a matrix when it has packed it. The others it reads for as long
    as the session lives, and a file that is truncated meanwhile would end the whole process (SIGBUS).
    """
    packed = {node.input[1] for node in model.graph.node if node.op_type in READERS}
    tensors = {each.name: each for each in model.graph.initializer}
    weights = Weights(tensors, {}, base)
    return {
        name: np.array(weights.read(name))
        for name, each in tensors.items()
        if is_external(each) and name not in packed and each.data_type in _NUMPYS_OWN
    }


def _unpacked(packed: np.ndarray, bits: int) -> FloatArray:
    """uint8 [N, bytes] -> float32 [N, bytes * 8 / bits]."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    values = packed[..., None] >> shifts & np.uint8((1 << bits) - 1)
    return values.reshape(len(packed), -1).astype(np.float32)


def _scaled(
    weights: Weights, matrix: str, scale: str, zero: Sequence[str], ids: Sequence[int], axis: int
) -> FloatArray:
    """(matrix - zero) * scale, where scale and zero are of all rows or of each."""
    rows = weights.rows(matrix, ids, axis)
    for name, apply in ((next(iter(zero), ""), np.subtract), (scale, np.multiply)):
        if name:
            value = np.atleast_1d(weights.read(name)).astype(np.float32)
            rows = apply(rows, value[:, None] if value.size == 1 else value[list(ids), None])
    return rows


def _weight_scale(weights: Weights, product: onnx.NodeProto) -> str:
    """The scale of B: the stored factor in what the product's Mul multiplies with."""
    quantised = weights.producers[product.input[0]]
    for node in weights.producers.values():
        if node.op_type == "Mul" and quantised.output[1] in node.input:
            return next(str(name) for name in node.input if name != quantised.output[1])
    raise UnsupportedModel("the scale of the output embedding is not where it usually is", _UNKNOWN)
