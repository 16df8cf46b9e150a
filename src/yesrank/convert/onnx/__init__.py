"""Published safetensors checkpoint -> ONNX folder for onnxruntime and Transformers.js, without PyTorch."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from yesrank.convert.fold import Smooth
from yesrank.convert.folder import ConvertProgress
from yesrank.convert.onnx.variants import DEFAULT_VARIANTS, HEADS, VARIANTS
from yesrank.convert.subject import Subject
from yesrank.errors import MissingExtra
from yesrank.manifest import Manifest

__all__ = ["DEFAULT_VARIANTS", "HEADS", "VARIANTS", "convert_onnx"]


def convert_onnx(
    source: Path | Subject,
    target: Path,
    *,
    variants: Sequence[str] = DEFAULT_VARIANTS,
    head: str | None = None,
    template: str | Path | None = None,
    smooth: Smooth | None = None,
    kind: str | None = None,
    progress: ConvertProgress | None = None,
) -> Manifest:
    """Makes the ONNX model folder `target` from the checkpoint at `source`, whole or not at all.

    variants: names of VARIANTS, or "all". head: "yesno" (None), two logits and no vocabulary matrix, "full", the logits
    of every token, as other programs expect them, or "seq-cls", one logit, as of a classifier; for rerankers. template:
    None for the one that the checkpoint says. smooth: finds factors that are multiplied into the weights (see
    yesrank.smooth), for int8 and q8; noted in the manifest. kind: reranker or embedding, None for what the checkpoint
    says (see kinds). Peak memory while writing is one tensor and a few blocks of rows; the check then runs every file
    once. Raises ModelError (and below) for a checkpoint that cannot be used, InputError for an existing target or
    unknown option, NoSpace and ConversionError where writing fails, MissingExtra without onnx and onnxruntime. After
    any error nothing stands at `target`.
    """
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtra(package, "onnx")
    from yesrank.convert.onnx.run import run

    return run(source, target, variants, head, template, smooth, kind, progress)
