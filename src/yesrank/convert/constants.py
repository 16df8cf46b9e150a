"""Stored weights -> OpenVINO nodes, in the decompression patterns that NNCF writes and the plugins recognise.

    u8   Convert f16 -> Subtract(Convert f16 zero point) -> Multiply(f16 scale) -> Convert f32
    i8   Convert f16 ->                                     Multiply(f16 scale) -> Convert f32
    u4   as u8 over [O, G, S], then Reshape to [O, I] before the last Convert
    bf16, f16, f32   Convert f32

Constants own a copy of their array, since OpenVINO would not keep the array itself alive.
"""

import numpy as np
import openvino as ov
from openvino import Node, op
from openvino import opset13 as ops

from yesrank.convert.quantize import Array, Packed
from yesrank.types import FloatArray

_TYPES = {
    "bf16": ov.Type.bf16,
    "f16": ov.Type.f16,
    "f32": ov.Type.f32,
    "u8": ov.Type.u8,
    "i8": ov.Type.i8,
    "u4": ov.Type.u4,
}


def matrix(name: str, packed: Packed) -> Node:
    """The node that yields the [O, I] float32 matrix. Its stored constant is named `name`."""
    node = _constant(name, packed.kind, packed.shape, packed.values)
    if packed.scale is not None:
        node = _dequantised(name, node, packed)
    if len(packed.shape) == 3:
        rows, groups, size = packed.shape
        node = ops.reshape(node, np.array([rows, groups * size], np.int64), special_zero=False)
    return _named(ops.convert(node, "f32"), f"{name}/f32")


def vector(name: str, values: FloatArray) -> Node:
    """A float32 constant (norm weights are never rounded)."""
    return _named(ops.constant(values), name)


def _dequantised(name: str, values: Node, packed: Packed) -> Node:
    assert packed.scale is not None
    parameters = (*packed.shape[:-1], 1)
    node = ops.convert(values, "f16")
    if packed.zero_point is not None:
        zero_point = _constant(f"{name}/zero_point", packed.kind, parameters, packed.zero_point)
        node = ops.subtract(node, ops.convert(zero_point, "f16"))
    scale = _constant(f"{name}/scale", "f16", parameters, packed.scale)
    return ops.multiply(node, scale)


def _constant(name: str, kind: str, shape: tuple[int, ...], values: Array) -> Node:
    shared = ov.Tensor(values, list(shape), _TYPES[kind])
    owned = ov.Tensor(_TYPES[kind], list(shape))
    shared.copy_to(owned)
    return _named(op.Constant(owned), name)


def _named(node: Node, name: str) -> Node:
    node.set_friendly_name(name)
    return node
