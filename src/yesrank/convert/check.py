"""Reads a written IR back from disk and compares it with its checkpoint."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import openvino as ov

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.quantize import LEVELS, Array, unpack_u4, widen
from yesrank.convert.weights import stored_kind
from yesrank.errors import ConversionError
from yesrank.types import FloatArray

_ROWS = 8  # of each matrix: the first, the last and others spread evenly between them
_INPUTS = {"input_ids", "attention_mask", "position_ids", "beam_idx"}
_INPUTS_WITHOUT_CACHE = {"input_ids", "attention_mask"}
_F16_ROUNDING, _F16_STEP = 2.0**-11, 2.0**-25  # half a unit in the last place: relative, and of subnormals
_BF16_STEP = 2.0**-134


def check(folder: Path, checkpoint: Checkpoint, weights: str, planned: int) -> None:
    """Raises ConversionError where folder/openvino_model.xml is not the model of the checkpoint.

    planned: bytes of all tensors together; the .bin may hold little more, and less only where tensors are equal.
    """
    xml = folder / "openvino_model.xml"
    size = xml.with_suffix(".bin").stat().st_size
    if xml.stat().st_size == 0 or size == 0 or size > planned + (1 << 20):
        raise _failed(f"openvino_model.bin has {size} bytes, planned were {planned}")
    try:
        model = ov.Core().read_model(xml)
    except RuntimeError as error:
        raise _failed(f"it cannot be read back: {error}") from error
    _check_interface(model, checkpoint)
    constants = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "Constant"}
    for name, shape in qwen3.tensors(checkpoint.config).items():
        if len(shape) == 1:
            _check_norm(constants, checkpoint, name)
        else:
            _check_matrix(constants, checkpoint, name, stored_kind(weights, name, shape[1]))
    checkpoint.release()


def _check_interface(model: ov.Model, checkpoint: Checkpoint) -> None:
    inputs = {name for port in model.inputs for name in port.get_names()}
    outputs = {name for port in model.outputs for name in port.get_names()}
    states = len(model.get_sinks())
    expected = (_INPUTS, {"logits"}, 2 * checkpoint.config.num_hidden_layers)
    if checkpoint.decoder_only:
        expected = (_INPUTS_WITHOUT_CACHE, {"last_hidden_state"}, 0)
    if (inputs, outputs, states) != expected:
        raise _failed(f"it has inputs {sorted(inputs)}, outputs {sorted(outputs)} and {states} states")


def _check_norm(constants: dict[str, Any], checkpoint: Checkpoint, name: str) -> None:
    if not np.array_equal(_data(constants, name).reshape(-1), checkpoint.float32(name)):
        raise _failed(f"{name} differs from the checkpoint")


def _check_matrix(constants: dict[str, Any], checkpoint: Checkpoint, name: str, kind: str) -> None:
    count = checkpoint.shape(name)[0]
    for row in np.unique(np.linspace(0, count - 1, _ROWS).astype(int)):
        source = widen(checkpoint.rows(name, row, row + 1))[0]
        found, bound = _stored_row(constants, name, kind, int(row), source)
        if not (np.abs(found.reshape(-1) - source) <= bound).all():
            raise _failed(f"{name} row {row} differs from the checkpoint by more than its rounding")


def _stored_row(
    constants: dict[str, Any], name: str, kind: str, row: int, source: FloatArray
) -> tuple[FloatArray, Any]:
    """A row as float32, and how far it may be from the source."""
    values = _data(constants, name)
    if kind == "bf16":
        return widen(values[row].view(ml_dtypes.bfloat16)), np.abs(source) * 2.0**-8 + _BF16_STEP
    if kind == "f32":
        return widen(values[row]), 0.0
    if kind == "f16":
        return widen(values[row]), np.abs(source) * _F16_ROUNDING + _F16_STEP
    scale = widen(_data(constants, f"{name}/scale")[row])
    found = _levels(constants, name, kind, row, source.size) * scale
    # A symmetric row clips its upper end by up to a whole level; all others round by half of one.
    rounding = np.abs(scale) * (1.0 if kind == "i8" else 0.5) * 1.001
    bound = rounding + LEVELS[kind] * (np.abs(scale) * _F16_ROUNDING + _F16_STEP)
    return found, np.broadcast_to(bound, found.shape).reshape(-1)


def _levels(constants: dict[str, Any], name: str, kind: str, row: int, width: int) -> FloatArray:
    """The integers of a row less their zero point: float32 [I], or [G, S] for u4."""
    values = _data(constants, name)
    if kind == "i8":
        return widen(values[row])
    zero_point = _data(constants, f"{name}/zero_point")
    if kind == "u8":
        return widen(values[row]) - widen(zero_point[row])
    rows, groups, size = constants[name].get_output_shape(0)
    packed = values.reshape(-1)[row * width // 2 : (row + 1) * width // 2]
    zero_points = unpack_u4(zero_point.reshape(-1), (rows, groups, 1))[row]
    return widen(unpack_u4(packed, (groups, size))) - widen(zero_points)


def _data(constants: dict[str, Any], name: str) -> Array:
    """The stored elements, mapped from the file. Raises ConversionError for a missing constant."""
    if name not in constants:
        raise _failed(f"{name} is not in it")
    data: Array = constants[name].data
    return data


def _failed(what: str) -> ConversionError:
    return ConversionError(
        f"the model as written did not pass its check: {what}",
        "nothing was left behind; check the disk, then run it again",
    )
