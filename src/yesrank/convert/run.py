"""Checkpoint -> OpenVINO model folder: reads, packs, writes, checks, and only then shows the result."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.fold import Folded, Smooth
from yesrank.convert.folder import (
    ConvertProgress,
    Meter,
    copied_bytes,
    copy_files,
    hashing,
    manifest_of,
)
from yesrank.convert.quantize import Packed
from yesrank.convert.staging import staged
from yesrank.convert.subject import Subject, subject_of
from yesrank.convert.tokenizer import require_packages, write_tokenizer_ir
from yesrank.convert.weights import Packer, planned_bytes, stored_bytes
from yesrank.errors import InputError, without_openvino
from yesrank.manifest import Manifest, write_manifest
from yesrank.types import FloatArray

SMOOTHED = ("int8", "int8-sym")
"""The weights for which factors are taken."""

_XML_PER_LAYER = 1 << 18  # an upper bound; 92 KB were measured
_MARGIN = 16 << 20


def convert(
    source: Path | Subject,
    target: Path,
    *,
    weights: str = "int8",
    tokenizer_ir: bool = False,
    template: str | Path | None = None,
    smooth: Smooth | None = None,
    kind: str | None = None,
    progress: ConvertProgress | None = None,
) -> Manifest:
    """Makes the OpenVINO model folder `target` from the checkpoint at `source`, whole or not at all.

    weights: one of weights.KINDS. template: None for the one that the checkpoint says. tokenizer_ir: also write
    openvino_tokenizer and openvino_detokenizer. smooth: finds factors that are multiplied into the weights (see
    yesrank.smooth), for int8 and int8-sym; noted in the manifest. kind: reranker or embedding, None for what the
    checkpoint says (see kinds).
    Peak memory is the size of the output plus less than 1 GB. Raises ModelError (and below) for a checkpoint that
    cannot be used, InputError for an existing target or unknown option, NoSpace and ConversionError where
    writing fails, MissingExtra where openvino, or what tokenizer_ir needs, is not installed. After any error
    nothing stands at `target`.
    """
    if smooth is not None:
        _check_smooth(weights)
    if find_spec("openvino") is None:
        raise without_openvino()
    from yesrank.convert.check import check

    if tokenizer_ir:
        require_packages()
    subject = source if isinstance(source, Subject) else subject_of(source, template, kind)
    checkpoint = subject.checkpoint
    planned = planned_bytes(checkpoint.config, weights)
    needed = planned + _overhead(checkpoint)
    meter = Meter(len(qwen3.tensors(checkpoint.config)), 3 * planned, progress)  # packed, written, read back
    with staged(target, needed) as folder, hashing(checkpoint.files) as hashes:
        if smooth is not None:
            checkpoint = Folded(checkpoint, smooth(checkpoint))
        _write_model(folder, checkpoint, weights, meter)
        copy_files(checkpoint, folder)
        subject.write_beside(folder)
        if tokenizer_ir:
            write_tokenizer_ir(folder)
        check(folder, checkpoint, weights, planned)
        manifest = manifest_of(
            folder,
            checkpoint,
            weights=weights,
            asked=subject.asked,
            answers=subject.answers,
            source_files=hashes(),
            meter=meter,
            smooth=smooth is not None,
        )
        write_manifest(folder, manifest)
    return manifest


def _check_smooth(weights: str) -> None:
    if weights not in SMOOTHED:
        raise InputError(
            "smooth",
            f"does not go with {weights}: it moves outliers for the steps of {' and '.join(SMOOTHED)}",
            "leave --smooth out, or ask for one of these",
        )


def _write_model(folder: Path, checkpoint: Checkpoint, weights: str, meter: Meter) -> None:
    """Writes openvino_model.xml and .bin. The model is freed on return."""
    import openvino as ov

    from yesrank.convert import openvino as emitter

    with Packer(checkpoint, weights) as packer:

        def matrix(name: str) -> Packed:
            shape = checkpoint.shape(name)
            row = stored_bytes(weights, name, shape) / shape[0]
            packed = packer.pack(name, lambda rows: meter.did(rows * row))
            meter.packed()
            return packed

        def norm(name: str) -> FloatArray:
            meter.packed()
            return checkpoint.float32(name)

        model = emitter.build(checkpoint.config, matrix, norm, embeds=checkpoint.decoder_only)
    # As optimum-intel writes it: keeps float16 activations on GPUs from overflowing. CPUs ignore it.
    model.set_rt_info("8.0", ["runtime_options", "ACTIVATIONS_SCALE_FACTOR"])
    model.set_rt_info(version("yesrank"), ["yesrank", "version"])
    model.set_rt_info(weights, ["yesrank", "weights"])
    ov.serialize(model, folder / "openvino_model.xml", folder / "openvino_model.bin")
    meter.did((folder / "openvino_model.bin").stat().st_size)


def _overhead(checkpoint: Checkpoint) -> int:
    """Bytes that the folder takes besides the tensors: XML, copied files, tokenizer IR, head."""
    xml = _XML_PER_LAYER * checkpoint.config.num_hidden_layers
    return 4 * copied_bytes(checkpoint.folder) + xml + _MARGIN
