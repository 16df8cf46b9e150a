"""Checkpoint -> ONNX folder: plans, writes, checks, and only then shows the result."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

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
from yesrank.convert.onnx import files
from yesrank.convert.onnx.check import check
from yesrank.convert.onnx.config import write_classifier, write_companions, write_config
from yesrank.convert.onnx.decoder import STATES, build
from yesrank.convert.onnx.pack import Packer
from yesrank.convert.onnx.variants import HEADS, Variant, check_head, chosen
from yesrank.convert.staging import refuse_existing, staged
from yesrank.convert.subject import Subject, subject_of
from yesrank.errors import InputError
from yesrank.manifest import Manifest, OnnxFiles, write_manifest

SMOOTHED = ("int8", "q8")
"""The variants for which factors are taken."""

_NODES_PER_LAYER = 1 << 16  # bytes, an upper bound; 15 KB were measured
_MARGIN = 16 << 20


def run(
    source: Path | Subject,
    target: Path,
    variants: Sequence[str],
    head: str | None,
    template: str | Path | None,
    smooth: Smooth | None,
    kind: str | None,
    progress: ConvertProgress | None,
) -> Manifest:
    """See convert_onnx, which calls this where the packages are there."""
    wanted = chosen(variants)
    if smooth is not None:
        _check_smooth(wanted)
    subject = source if isinstance(source, Subject) else subject_of(source, template, kind)
    checkpoint, head = subject.checkpoint, _head(subject, head)
    if head == "full" and checkpoint.config.labels:
        raise InputError(
            "head", f"{checkpoint.path} is a classifier: it has no logits of a vocabulary", "leave --head out"
        )
    if smooth is not None:
        refuse_existing(target)  # before the long part
        checkpoint = Folded(checkpoint, smooth(checkpoint))
    rows = None if head in ("full", STATES) else [subject.answers["no"], subject.answers["yes"]]
    with Packer(checkpoint) as packer:
        graphs = {variant: build(checkpoint, packer, variant, head, rows) for variant in wanted}
        plans = {variant: files.layout(list(graph.tensors.values())) for variant, graph in graphs.items()}
        planned = sum(plan.nbytes for plan in plans.values())
        tensors = sum(len(graph.tensors) for graph in graphs.values())
        meter = Meter(tensors, 2 * planned, progress)  # written, read back
        needed = planned + _overhead(checkpoint, len(wanted))
        with staged(target, needed) as folder, hashing(checkpoint.files) as hashes:
            (folder / "onnx").mkdir()
            for variant, graph in graphs.items():
                files.write(folder / variant.file, graph.model(version("yesrank")), plans[variant], meter)
            copy_files(checkpoint, folder)
            write_companions(checkpoint.folder, folder)
            write_config(checkpoint, folder, wanted, _data_files(plans))
            if head == "seq-cls":
                write_classifier(checkpoint, folder)
            subject.write_beside(folder)
            for variant in wanted:
                check(folder, checkpoint, variant, head, rows)
            names = tuple(variant.name for variant in wanted)
            manifest = manifest_of(
                folder,
                checkpoint,
                weights=",".join(names),
                asked=subject.asked,
                answers=subject.answers,
                source_files=hashes(),
                meter=meter,
                onnx=OnnxFiles(head, names),
                smooth=smooth is not None,
            )
            write_manifest(folder, manifest)
    return manifest


def _head(subject: Subject, asked: str | None) -> str:
    """What the graph ends in. Raises InputError."""
    if subject.recipe is None:
        check_head(asked or HEADS[0])
        return asked or HEADS[0]
    if asked is not None:
        raise InputError(
            "head", "is for rerankers; an embedding model ends at its hidden states", "leave it out"
        )
    return STATES


def _check_smooth(variants: Sequence[Variant]) -> None:
    for variant in variants:
        if variant.name not in SMOOTHED:
            raise InputError(
                "smooth",
                f"does not go with {variant.name}: it moves outliers for the steps of {' and '.join(SMOOTHED)}",
                f"leave --smooth out, or ask for --variants {','.join(SMOOTHED)}",
            )


def _data_files(plans: dict[Variant, files.Layout]) -> dict[str, int]:
    """Number of data files by the name of the .onnx file, for those that have some."""
    return {Path(variant.file).name: plan.data_files for variant, plan in plans.items() if plan.data_files}


def _overhead(checkpoint: Checkpoint, variants: int) -> int:
    """Bytes that the folder takes besides the tensors: nodes, copied files, head."""
    nodes = variants * _NODES_PER_LAYER * checkpoint.config.num_hidden_layers
    return copied_bytes(checkpoint.folder) + nodes + _MARGIN
