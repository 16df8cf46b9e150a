"""Reading weights out of an IR: the numpy value of a constant or of its decompression subgraph.

The patterns met in the wild (NNCF, optimum-intel, our own) are built of five operations:
Constant (u8, i8, u4, i4, f16, bf16, f32) -> Convert -> Subtract(zero point) -> Multiply(scale)
-> Reshape (grouped int4).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from openvino import Node, Output, Type

from yesrank.errors import UnsupportedModel
from yesrank.types import FloatArray

Array = npt.NDArray[Any]

_OPERATIONS = ("Convert", "Subtract", "Multiply", "Reshape", "Gather")


_KINDS = {"u8": "int8", "i8": "int8-sym", "u4": "int4", "i4": "int4"}


def is_weight(output: Output) -> bool:
    """Whether the output depends on constants alone, through operations that `value` knows."""
    node = output.get_node()
    if node.get_type_name() == "Constant":
        return True
    if node.get_type_name() not in _OPERATIONS:
        return False
    return all(is_weight(each.get_source_output()) for each in node.inputs())


def is_compressed(output: Output) -> bool:
    """Whether a weight is stored as 8 or 4 bit integers: the type of the constant at the root of its subgraph."""
    return _root(output).get_element_type() in (Type.u8, Type.i8, Type.u4, Type.i4)


def is_int8(output: Output) -> bool:
    """Whether a weight is stored as 8 bit integers, with one scale for each row (and at most one zero point)."""
    return _root(output).get_element_type() in (Type.u8, Type.i8) and _operations(output) <= {
        "Convert",
        "Subtract",
        "Multiply",
    }


def value(output: Output, rows: Sequence[int] | None = None) -> FloatArray:
    """The weight in float32, or only the given rows of it (constants of another length are kept whole).

    Raises UnsupportedModel for an operation outside the patterns above.
    """
    length = output.get_shape()[0] if rows is not None else None
    return _evaluate(output.get_node(), rows, length).astype(np.float32, copy=False)


def _root(output: Output) -> Node:
    node = output.get_node()
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return node


def _operations(output: Output) -> set[str]:
    """What leads from the constant at the root to the output."""
    found, node = set(), output.get_node()
    while node.get_type_name() != "Constant":
        found.add(node.get_type_name())
        node = node.input_value(0).get_node()
    return found


def _evaluate(node: Node, rows: Sequence[int] | None, length: int | None) -> Array:
    kind = node.get_type_name()
    if kind == "Constant":
        array = constant(node)
        sliced = rows is not None and array.ndim > 1 and array.shape[0] == length
        return array[list(rows)] if rows is not None and sliced else array
    if kind not in _OPERATIONS:
        raise UnsupportedModel(
            f"a weight is computed by {kind} ({node.get_friendly_name()}), which is not known"
        )
    if kind == "Gather":
        return _gathered(node, rows)
    first = _evaluate(node.input_value(0).get_node(), rows, length)
    if kind == "Convert":
        return first
    if kind == "Reshape":
        shape = list(node.get_output_shape(0))
        return first.reshape([len(rows) if rows is not None else shape[0], *shape[1:]])
    second = _evaluate(node.input_value(1).get_node(), rows, length)
    a, b = first.astype(np.float32), second.astype(np.float32)
    return a - b if kind == "Subtract" else a * b


def _gathered(node: Node, rows: Sequence[int] | None) -> Array:
    """Some rows of a matrix, as a head of two answers may be made of a vocabulary's."""
    chosen = constant(node.input_value(1).get_node()).reshape(-1)
    axis = constant(node.input_value(2).get_node()).reshape(-1)
    if axis.tolist() != [0]:
        raise UnsupportedModel(f"a weight is picked along the axis {axis.tolist()}, which is not known")
    wanted = chosen.tolist() if rows is None else chosen[list(rows)].tolist()
    source = node.input_value(0)
    return _evaluate(source.get_node(), wanted, source.get_shape()[0])


def stored_as(matrices: Sequence[Output]) -> str:
    """How most of the numbers of these weights are stored, as verify names it."""
    sizes: Counter[str] = Counter()
    for matrix in matrices:
        root = _root(matrix)
        kind = root.get_element_type().to_string()
        sizes[_KINDS.get(kind, kind)] += int(np.prod(root.get_output_shape(0)))
    return sizes.most_common(1)[0][0] if sizes else ""


def constant(node: Node) -> Array:
    """The value of a Constant as numpy, without a copy where its type has one (4-bit types are unpacked)."""
    kind: Type = node.get_element_type()
    shape: list[int] = list(node.get_output_shape(0))
    if kind == Type.bf16:  # handed out as float16 bits, whatever they mean
        floats: Array = np.asarray(node.data).view(ml_dtypes.bfloat16).reshape(shape)
        return floats
    if kind in (Type.u4, Type.i4):
        return _unpack_nibbles(
            np.asarray(node.data).view(np.uint8).reshape(-1), shape, signed=kind == Type.i4
        )
    if kind.is_integral() or kind in (Type.f32, Type.f16):
        return np.asarray(node.data).reshape(shape)
    raise UnsupportedModel(f"a weight is stored as {kind.to_string()}, which is not known")


def _unpack_nibbles(packed: npt.NDArray[np.uint8], shape: Sequence[int], *, signed: bool) -> Array:
    """Two values a byte, the low nibble first."""
    nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))].reshape(shape)
    if not signed:
        return nibbles
    signed_values: Array = (nibbles ^ 8).astype(np.int8) - np.int8(8)
    return signed_values
