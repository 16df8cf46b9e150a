"""Checkpoint -> ONNX folder: plans, writes, checks, and only then shows the result."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from yesrank.asking import asking_of_checkpoint
from yesrank.checkpoint import Checkpoint
from yesrank.convert.fold import Folded, Smooth
from yesrank.convert.folder import (
    ConvertProgress,
    Meter,
    answer_ids,
    copied_bytes,
    copy_files,
    hashing,
    manifest_of,
    write_head,
)
from yesrank.convert.onnx import files
from yesrank.convert.onnx.check import check
from yesrank.convert.onnx.config import write_classifier, write_companions, write_config
from yesrank.convert.onnx.decoder import build
from yesrank.convert.onnx.pack import Packer
from yesrank.convert.onnx.variants import Variant, check_head, chosen
from yesrank.convert.staging import refuse_existing, staged
from yesrank.errors import InputError
from yesrank.manifest import Manifest, OnnxFiles, write_manifest
from yesrank.templates import template_of, write_own

SMOOTHED = ("int8", "q8")
"""The variants for which factors are taken."""

_NODES_PER_LAYER = 1 << 16  # bytes, an upper bound; 15 KB were measured
_MARGIN = 16 << 20


def run(
    source: Path | Checkpoint,
    target: Path,
    variants: Sequence[str],
    head: str,
    template: str | Path | None,
    smooth: Smooth | None,
    progress: ConvertProgress | None,
) -> Manifest:
    """See convert_onnx, which calls this where the packages are there."""
    if template is not None:
        template_of(template)
    check_head(head)
    wanted = chosen(variants)
    if smooth is not None:
        _check_smooth(wanted)
    checkpoint = source if isinstance(source, Checkpoint) else Checkpoint(source)
    if head == "full" and checkpoint.config.labels:
        raise InputError(
            "head", f"{checkpoint.path} is a classifier: it has no logits of a vocabulary", "leave --head out"
        )
    asked = asking_of_checkpoint(checkpoint, template)
    answers = answer_ids(checkpoint, asked)
    if smooth is not None:
        refuse_existing(target)  # before the long part
        checkpoint = Folded(checkpoint, smooth(checkpoint))
    rows = [answers["no"], answers["yes"]] if head != "full" else None
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
            write_head(folder, checkpoint, answers)
            write_own(folder, asked.template)
            for variant in wanted:
                check(folder, checkpoint, variant, head, rows)
            names = tuple(variant.name for variant in wanted)
            manifest = manifest_of(
                folder,
                checkpoint,
                weights=",".join(names),
                asked=asked,
                answers=answers,
                source_files=hashes(),
                meter=meter,
                onnx=OnnxFiles(head, names),
                smooth=smooth is not None,
            )
            write_manifest(folder, manifest)
    return manifest


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
