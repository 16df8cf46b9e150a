"""Int8 arithmetic over int8 weights, the profile w8a8: activations are rounded to int8 as well, each token by itself.

A token's channels share a scale (or, by the plugin's own way, each GROUP of them has one), so a score depends on its
own prompt only. There are two ways to it, and which of them a device takes is tried, not guessed:

- the plugin quantises by itself, told by a property. Processors with AVX512-VNNI do; where it does not suit, the
  property is ignored without a word, and the numbers are those of plain int8;
- the graph says it: s = max|x| of a token, x/s rounded to 255 levels, an int8 product, times s. Processors with AMX
  take their int8 tiles for that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import Model, Node, Output, Type
from openvino import opset13 as ops

from yesrank.engine.openvino import weights
from yesrank.errors import InputError
from yesrank.types import FloatArray

GROUP = 128  # channels that share a scale: two thirds of the logit error of 1024 (0.6B, random weights), a tenth slower
_PROPERTY = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
_LEVELS = 255
_SMALLEST = 1e-12  # a row of zeros is divided by this
_LEAST_GROUP = 16  # smaller ones quantise nothing
_TRIED_ROWS, _TRIED_OUTPUTS = 16, 32


@dataclass(frozen=True, slots=True)
class Weight:
    """What an int8 matrix [O, K] is made of: (values - zero) * scale. zero, scale: float32 [O, 1]; zero None for 0."""

    values: npt.NDArray[Any]
    zero: FloatArray | None
    scale: FloatArray


def use_int8(core: ov.Core, model: Model, device: str, arithmetic: str) -> dict[str, object]:
    """Makes every matrix product of the model one of int8 by int8; returns the options to compile it with.

    arithmetic: of all the rest, bf16 or f32. Raises InputError where a matrix has no int8 weights.
    """
    matmuls = list(_products(model))
    group = _group(matmuls)
    if group and _acts(core, device, arithmetic, group):
        return {_PROPERTY: group}
    rewrite(model)
    return {_PROPERTY: 0}


def rewrite(model: Model) -> None:
    """Writes the rounding of activations into the graph. Products of the same activations share it.

    Raises InputError where a matrix has no int8 weights.
    """
    rounded: dict[tuple[str, int], tuple[Output, Output]] = {}
    for matmul in list(_products(model)):
        source = matmul.input_value(0)
        key = source.get_node().get_name(), source.get_index()
        if key not in rounded:
            rounded[key] = _rounded(source)
        product = _product(*rounded[key], _weight(matmul.input_value(1)))
        for target in list(matmul.output(0).get_target_inputs()):
            target.replace_source_output(product)
    model.validate_nodes_and_infer_types()


def has_int8_matrices(model: Model) -> bool:
    """Whether every matrix of the model is stored in int8, as w8a8 needs it."""
    try:
        return len(list(_products(model))) > 0
    except InputError:
        return False


def _products(model: Model) -> Iterator[Node]:
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and weights.is_weight(node.input_value(1)):
            if not weights.is_int8(node.input_value(1)) or not node.get_attributes()["transpose_b"]:
                raise InputError(
                    "precision",
                    "w8a8 needs a folder whose matrices are all stored in int8",
                    "convert the checkpoint with: yesrank convert SRC DST --weights int8",
                )
            yield node


def _group(matmuls: list[Node]) -> int:
    """The group size that suits every matrix; 0 where none does: one wider than a matrix turns the rounding off."""
    narrowest = min((matmul.input_value(1).get_shape()[1] for matmul in matmuls), default=0)
    group = min(GROUP, narrowest) // _LEAST_GROUP * _LEAST_GROUP
    return int(group)


def _acts(core: ov.Core, device: str, arithmetic: str, group: int) -> bool:
    """Whether the property changes a product on this device. Nothing else tells: it is echoed either way."""
    plain, rounded = (_tried(core, device, arithmetic, size) for size in (0, group))
    return not np.array_equal(plain, rounded)


def _tried(core: ov.Core, device: str, arithmetic: str, group: int) -> FloatArray:
    """A product of GROUP channels with made-up asymmetric weights; empty where the device refuses the property."""
    draw = np.random.default_rng(0)
    values = ops.constant(draw.integers(0, 256, (_TRIED_OUTPUTS, GROUP), dtype=np.uint8))
    zero = ops.constant(np.full((_TRIED_OUTPUTS, 1), 127, np.uint8))
    centred = ops.subtract(ops.convert(values, Type.f16), ops.convert(zero, Type.f16))
    scaled = ops.multiply(centred, ops.constant(np.full((_TRIED_OUTPUTS, 1), 0.01, np.float16)))
    source = ops.parameter([-1, GROUP], Type.f32)
    model = Model([ops.matmul(source, ops.convert(scaled, Type.f32), False, True)], [source])
    options = {"INFERENCE_PRECISION_HINT": arithmetic, _PROPERTY: group}
    try:
        request = core.compile_model(model, device, options).create_infer_request()
    except RuntimeError:
        return np.zeros(0, np.float32)
    found: FloatArray = request.infer([draw.standard_normal((_TRIED_ROWS, GROUP), np.float32)])[0].copy()
    return found


def _rounded(source: Output) -> tuple[Output, Output]:
    """(activations as multiples of 1/127 between -1 and 1, the scale of each row)."""
    largest = ops.reduce_max(ops.abs(source), ops.constant([-1], Type.i64), keep_dims=True)
    scale = ops.maximum(largest, _float(_SMALLEST))
    ends = _float(-1), _float(1)
    levels = ops.fake_quantize(ops.divide(source, scale), *ends, *ends, _LEVELS)
    return levels.output(0), scale.output(0)


def _product(levels: Output, scale: Output, weight: Weight) -> Output:
    """The product of rounded activations with int8 weights: values - zero is split, for values have to be int8.

    (values - zero) = (values - 128) + (128 - zero): the second part adds the row's sum times a number of the channel.
    """
    stored = ops.multiply(ops.convert(ops.constant(weight.values), Type.f32), ops.constant(weight.scale))
    product = ops.matmul(levels, stored, False, True)
    if weight.zero is not None:
        sums = ops.reduce_sum(levels, ops.constant([-1], Type.i64), keep_dims=True)
        product = ops.add(
            product, ops.multiply(sums, ops.constant((-weight.zero * weight.scale).reshape(1, -1)))
        )
    return ops.multiply(product, scale).output(0)


def _weight(output: Output) -> Weight:
    """A compressed matrix: Constant -> Convert -> [Subtract(zero point)] -> Multiply(scale) -> [Convert]."""
    node = output.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    scale = weights.value(node.input_value(1)).reshape(-1, 1)
    inner, zero = node.input_value(0).get_node(), np.zeros_like(scale)
    if inner.get_type_name() == "Subtract":
        zero = zero + weights.value(inner.input_value(1)).reshape(-1, 1)
        inner = inner.input_value(0).get_node()
    values = weights.constant(inner.input_value(0).get_node())
    if values.dtype == np.uint8:
        zero = zero - np.float32(128)
        values = (values ^ np.uint8(128)).view(np.int8)
    return Weight(values, zero if zero.any() else None, scale)


def _float(value: float) -> Node:
    return ops.constant(np.float32(value))
