"""How a graph really stores and multiplies its weights, whatever its file is called."""

from collections import Counter
from collections.abc import Mapping
from math import prod

import onnx
from onnx import TensorProto

from yesrank.engine.onnx.weights import READERS, attributes_of

_INTEGERS = ("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
_FLOATS: Mapping[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
}
_BITS: Mapping[int, int] = {
    TensorProto.INT8: 8,
    TensorProto.UINT8: 8,
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.INT16: 16,
    TensorProto.UINT16: 16,
}
_ROUNDS = 4  # the accuracy_level at which activations become int8


def kind_of(model: onnx.ModelProto) -> str | None:
    """The kind of the products that hold the most weights, as verify names it; None where there is none that is known.

    fp32, fp16, bf16; int8 (activations rounded to int8 by a scale a row), q8 (by a scale a call); wN (weights of N
    bits, activations as they are), with f16 after it where these are float16, and a8 where they are rounded to int8 in
    blocks.
    """
    graph = model.graph
    tensors = {each.name: each for each in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output if name}
    sizes: Counter[str] = Counter()
    for node in graph.node:
        if node.op_type in READERS and (found := _of_product(node, tensors, producers)) is not None:
            sizes[found[0]] += found[1]
    return sizes.most_common(1)[0][0] if sizes else None


def kind_name(kind: str | None, variant: str) -> str:
    """What `info` calls it: the variant's name where that is of this kind, as the file's writer has it."""
    usual = {"fp32": "fp32", "fp16": "fp16", "int8": "int8", "q8": "q8", "q4": "w4", "q4f16": "w4f16"}
    name = variant.removeprefix("yesno-")
    return name if kind in (None, usual.get(name)) else kind


def note_of(kind: str | None, variant: str) -> str:
    """What a person should know of a kind: rounded activations, and a name that says otherwise."""
    notes = []
    if kind is not None and kind.endswith("a8"):
        notes.append(f"activations are rounded to int8 in blocks (accuracy_level {_ROUNDS})")
    stored = {"fp32": "32 bits", "fp16": "16 bits", "bf16": "16 bits", "int8": "8 bits", "q8": "8 bits"}
    if variant == "fp32" and kind not in (None, "fp32"):
        bits = stored.get(str(kind)) or f"{str(kind)[1]} bits"
        notes.append(f"the file is named as float32 files are, but its weights have {bits}")
    return "; ".join(notes)


def _of_product(
    node: onnx.NodeProto, tensors: Mapping[str, TensorProto], producers: Mapping[str, onnx.NodeProto]
) -> tuple[str, int] | None:
    """(kind, number of weights) of a product with a weight; None for one of two activations."""
    if node.op_type == "MatMulNBits":
        attributes = attributes_of(node)
        half = "f16" if tensors[node.input[2]].data_type == TensorProto.FLOAT16 else ""
        rounds = "a8" if attributes.get("accuracy_level") == _ROUNDS else ""
        return f"w{attributes['bits']}{half}{rounds}", int(str(attributes["N"])) * int(str(attributes["K"]))
    weight = tensors.get(node.input[1])
    if node.op_type in _INTEGERS:
        by_row = (source := producers.get(node.input[0])) is not None and source.op_type == "QuantizeLinear"
        return ("int8" if by_row else "q8", prod(weight.dims)) if weight is not None else None
    if weight is None:
        return _of_computed(producers.get(node.input[1]), tensors, producers)
    return (_FLOATS[weight.data_type], prod(weight.dims)) if weight.data_type in _FLOATS else None


def _of_computed(
    node: onnx.NodeProto | None, tensors: Mapping[str, TensorProto], producers: Mapping[str, onnx.NodeProto]
) -> tuple[str, int] | None:
    """Of a weight that is transposed, cast or dequantised before the product."""
    while node is not None and node.op_type in ("Transpose", "Cast", "Identity", "Reshape"):
        if (stored := tensors.get(node.input[0])) is not None:
            return (_FLOATS[stored.data_type], prod(stored.dims)) if stored.data_type in _FLOATS else None
        node = producers.get(node.input[0])
    if node is None or node.op_type != "DequantizeLinear" or (stored := tensors.get(node.input[0])) is None:
        return None
    bits = _BITS.get(stored.data_type)
    scale = tensors.get(node.input[1])
    half = "f16" if scale is not None and scale.data_type == TensorProto.FLOAT16 else ""
    return (f"w{bits}{half}", prod(stored.dims)) if bits is not None else None
