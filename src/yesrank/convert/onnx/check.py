"""Reads a written ONNX file back from disk, compares it with its checkpoint, and runs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.onnx.decoder import ANSWER_ROWS, STATES, answer_rows, stored_factor
from yesrank.convert.onnx.placed import Placed, placed
from yesrank.convert.onnx.variants import Variant
from yesrank.convert.quantize import unpack_u4, widen
from yesrank.errors import ConversionError
from yesrank.qwen3 import Qwen3Config
from yesrank.types import FloatArray

_ROWS = 8  # of each matrix: the first, the last and others spread evenly between them
_F16_ROUNDING, _F16_STEP = 2.0**-11, 2.0**-25  # half a unit in the last place: relative, and of subnormals
_QUIET = 4  # onnxruntime's log level of fatal errors: the others are raised, and told here


def check(
    folder: Path, checkpoint: Checkpoint, variant: Variant, head: str, answers: Sequence[int] | None
) -> None:
    """Raises ConversionError where the variant's file is not the model of the checkpoint.

    answers: ids of no and yes, None with the heads full and states.
    """
    path = folder / variant.file
    try:
        _check_tensors(placed(path), checkpoint, variant, head, answers)
        _check_run(path, checkpoint.config, head)
    except ConversionError as error:
        raise ConversionError(
            f"{variant.file} as written did not pass its check: {error.message}",
            "nothing was left behind; check the disk, then run it again",
        ) from error
    checkpoint.release()


def _check_tensors(
    tensors: dict[str, Placed],
    checkpoint: Checkpoint,
    variant: Variant,
    head: str,
    answers: Sequence[int] | None,
) -> None:
    config = checkpoint.config
    for name, shape in qwen3.tensors(config).items():
        if name in (qwen3.HEAD, qwen3.SCORE) and head != "full":
            continue
        if len(shape) == 1:
            kept = "float16" if variant.half and name != qwen3.FINAL_NORM else "float32"
            _check_equal(tensors, name, checkpoint.float32(name).astype(kept))
        else:
            _check_matrix(tensors, checkpoint, name, variant)
    if answers is not None:
        _check_equal(tensors, ANSWER_ROWS, answer_rows(checkpoint, answers, head).T)


def _check_equal(tensors: dict[str, Placed], name: str, expected: FloatArray) -> None:
    if not np.array_equal(_found(tensors, name), expected):
        raise ConversionError(f"{name} differs from the checkpoint")


def _check_matrix(tensors: dict[str, Placed], checkpoint: Checkpoint, name: str, variant: Variant) -> None:
    table = name in (qwen3.EMBEDDING, qwen3.HEAD)
    kind = variant.table if table else variant.stored
    factor = np.float32(stored_factor(variant, name))
    for row in np.unique(np.linspace(0, checkpoint.shape(name)[0] - 1, _ROWS).astype(int)):
        source = widen(checkpoint.rows(name, row, row + 1))[0] * factor
        found, bound = _stored_row(tensors, name, kind, int(row), source, transposed=not table)
        if not (np.abs(found.reshape(-1)[: source.size] - source) <= bound).all():
            raise ConversionError(f"{name} row {row} differs from the checkpoint by more than its rounding")


def _stored_row(
    tensors: dict[str, Placed], name: str, kind: str, row: int, source: FloatArray, *, transposed: bool
) -> tuple[FloatArray, Any]:
    """A row as float32, and how far it may be from the source."""
    values = _found(tensors, name)
    if kind in ("f32", "f16", "s8"):
        found = widen(np.asarray(values[:, row] if transposed else values[row]))
        if kind == "f32":
            return found, 0.0
        if kind == "f16":
            return found, np.abs(source) * _F16_ROUNDING + _F16_STEP
        scale = widen(_found(tensors, f"{name}.scale")[row])
        return found * scale, scale * 0.501
    scales = _found(tensors, f"{name}.scale")[row]
    scale = widen(np.asarray(scales))[:, None]
    if kind == "b8":
        levels, most, steps = widen(np.asarray(values[row])) - np.float32(128), 127, 0.501
    else:
        # the outermost fifth of a range of 15 steps may be cut off: 15 / 0.8 - 15, and rounding
        levels, most, steps = _levels(tensors, name, row), 15, 3.75 + 0.51
    bound = scale * np.float32(steps)
    if scales.dtype == np.float16:
        bound = bound + most * (scale * _F16_ROUNDING + _F16_STEP)
    return levels * scale, np.broadcast_to(bound, levels.shape).reshape(-1)[: source.size]


def _levels(tensors: dict[str, Placed], name: str, row: int) -> FloatArray:
    """The 4-bit integers of a row less their zero points: float32 [blocks, 32]."""
    values = np.asarray(_found(tensors, name)[row])
    count = len(values)
    zero_points = unpack_u4(np.asarray(_found(tensors, f"{name}.zero_point")[row]), (count, 1))
    return widen(unpack_u4(values.reshape(-1), (count, 2 * values.shape[1]))) - widen(zero_points)


def _found(tensors: dict[str, Placed], name: str) -> Any:
    if name not in tensors:
        raise ConversionError(f"{name} is not in it")
    return tensors[name].mapped()


def _check_run(path: Path, config: Qwen3Config, head: str) -> None:
    """Opens the file and runs two short prompts, one padded on each side, with as little memory as can be."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = False
    # else the float16 weights of all layers would be widened before the first is used
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.log_severity_level = _QUIET
    wanted = _outputs(config, head)
    ids = np.arange(8).reshape(2, 4) * (config.vocab_size // 8)
    feeds: dict[str, Any] = {"input_ids": ids, "attention_mask": np.array([[0, 1, 1, 1], [1, 1, 0, 0]])}
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for value in session.get_inputs():
            if value.name == "position_ids":
                feeds[value.name] = np.array([[0, 0, 1, 2], [0, 1, 1, 1]])
            elif value.name not in feeds:
                dtype = np.float16 if value.type == "tensor(float16)" else np.float32
                feeds[value.name] = np.zeros((2, value.shape[1], 0, value.shape[3]), dtype)
        outputs = session.run([*wanted], feeds)
    except Exception as error:  # onnxruntime's own kinds have no common base
        raise ConversionError(f"onnxruntime cannot run it: {error}") from error
    shapes = [output.shape for output in outputs]
    if shapes != [*wanted.values()] or not all(np.isfinite(each).all() for each in outputs):
        raise ConversionError("its outputs are of another shape, or not finite")


def _outputs(config: Qwen3Config, head: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what comes out for two prompts of four tokens."""
    if head == "full":
        return {"logits": (2, 4, config.vocab_size)}
    if head == STATES:
        return {"last_hidden_state": (2, 4, config.hidden_size)}
    return {"logits": (2, 1 if head == "seq-cls" else 2), "hidden": (2, config.hidden_size)}
