"""Checkpoint -> checkpoint folder for other programs: what was merged, dequantised or put together, as plain tensors.

With the head seq-cls it becomes a classifier with one label (Qwen3ForSequenceClassification), whose single logit is
yes minus no: what servers and libraries that know no language models rank with.
"""

import json
import shutil
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  registers bfloat16 with numpy
import numpy as np

from yesrank import qwen3
from yesrank.asking import FILES, SCORE_FOLDER, Asking, asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.convert.folder import (
    ConvertProgress,
    Meter,
    answer_ids,
    copied_bytes,
    copy_files,
    one_label,
    true_config,
)
from yesrank.convert.staging import staged
from yesrank.errors import ConversionError, InputError
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES

HEADS = ("full", "seq-cls")
_FILE = "model.safetensors"
_BLOCK = 1 << 22  # elements at a time
_TYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
_MARGIN = 16 << 20


def convert_checkpoint(
    source: Path | Checkpoint, target: Path, *, head: str = "full", progress: ConvertProgress | None = None
) -> None:
    """Makes the checkpoint folder `target`, whole or not at all: tensors in their own types, dequantised in float32.

    head: one of HEADS. Raises ModelError (and below) for a checkpoint that cannot be used, InputError for an existing
    target, an unknown head, or one that the checkpoint cannot have, NoSpace and ConversionError where writing fails.
    """
    checkpoint = source if isinstance(source, Checkpoint) else Checkpoint(source)
    asked = asking_of(checkpoint.folder)
    _check_head(checkpoint, asked, head)
    shapes = dict(qwen3.tensors(checkpoint.config))
    score = None
    if head == "seq-cls":
        answers = answer_ids(checkpoint, asked)
        rows = checkpoint.output_rows([answers["yes"], answers["no"]]).astype(np.float64)
        score = (rows[0] - rows[1]).astype(np.float32)[None]
        shapes.pop(qwen3.HEAD, None)
        shapes[qwen3.SCORE] = (1, checkpoint.config.hidden_size)
    header, sizes = _header(checkpoint, shapes)
    needed = len(header) + sum(sizes.values()) + copied_bytes(checkpoint.folder) + _MARGIN
    meter = Meter(len(shapes), 2 * sum(sizes.values()), progress)  # written, read back
    with staged(target, needed) as folder:
        with (folder / _FILE).open("wb") as out:
            out.write(header)
            for name in shapes:
                for block in (
                    [score] if name == qwen3.SCORE and score is not None else _blocks(checkpoint, name)
                ):
                    out.write(np.ascontiguousarray(block).view(np.uint8).data)
                    meter.did(block.nbytes)
                meter.packed()
        copy_files(checkpoint, folder)
        if head == "full":
            _copy_recipe(checkpoint.folder, folder)
        config = true_config(checkpoint) | (one_label(checkpoint) if score is not None else {})
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        _check(folder, checkpoint, shapes, score, meter)


def _check_head(checkpoint: Checkpoint, asked: Asking, head: str) -> None:
    if head not in HEADS:
        raise InputError("head", f"{head!r} is not known", f"use one of: {', '.join(HEADS)}")
    if head == "full":
        return
    if checkpoint.config.labels:
        raise InputError("head", f"{checkpoint.path} is a classifier already", "leave --head out")
    if asked.template is not TEMPLATES["card"] or asked.instruction not in (None, DEFAULT_INSTRUCTION):
        raise InputError(
            "head",
            f"{checkpoint.path} is asked in a way of its own ({asked.origin}), which a classifier's folder cannot say",
            "leave --head out",
        )


def _header(checkpoint: Checkpoint, shapes: Mapping[str, tuple[int, ...]]) -> tuple[bytes, dict[str, int]]:
    """The start of a safetensors file, and the bytes of each tensor."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    sizes, start = {}, 0
    for name, shape in shapes.items():
        kind = np.dtype(np.float32) if name == qwen3.SCORE else checkpoint.rows(name, 0, 1).dtype
        sizes[name] = prod(shape) * kind.itemsize
        entries[name] = {
            "dtype": _TYPES[kind.name],
            "shape": list(shape),
            "data_offsets": [start, start + sizes[name]],
        }
        start += sizes[name]
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors are to start at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text, sizes


def _blocks(checkpoint: Checkpoint, name: str) -> Any:
    shape = checkpoint.shape(name)
    if name == qwen3.SCORE:  # of a classifier: exact, whatever type it has
        yield checkpoint.float32(name)
        return
    step = max(1, _BLOCK // prod(shape[1:]))
    for start in range(0, shape[0], step):
        yield checkpoint.rows(name, start, min(start + step, shape[0]))


def _copy_recipe(source: Path, folder: Path) -> None:
    """What sentence-transformers saved of how the model is asked."""
    for name in FILES:
        if (source / name).is_file() and not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)
    for path in source.glob(f"{SCORE_FOLDER}/config.json"):
        (folder / path.parent.name).mkdir()
        shutil.copyfile(path, folder / path.parent.name / path.name)


def _check(folder: Path, checkpoint: Checkpoint, shapes: Mapping[str, Any], score: Any, meter: Meter) -> None:
    """Reads the folder back. Raises ConversionError where it is not what was to be written."""
    written = Checkpoint(folder)
    for name in shapes:
        if score is not None and name == qwen3.SCORE:
            same = np.array_equal(written.float32(name)[1:], score)
        else:
            same = all(
                np.array_equal(mine, theirs)
                for mine, theirs in zip(_blocks(written, name), _blocks(checkpoint, name), strict=True)
            )
        if not same:
            raise ConversionError(
                f"{name} as written differs from the checkpoint",
                "nothing was left behind; check the disk, then run it again",
            )
        meter.did(prod(shapes[name]) * 2)
    written.release()
