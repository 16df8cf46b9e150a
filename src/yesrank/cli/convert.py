"""`yesrank convert`: a published checkpoint to an OpenVINO or ONNX model folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yesrank.cli import output
from yesrank.cli.options import JsonOption, ModelTypeOption, TemplateOption, Weights
from yesrank.errors import InputError, ModelNotFound

if TYPE_CHECKING:
    from yesrank.checkpoint import Checkpoint
    from yesrank.convert.fold import Factors


class Format(StrEnum):
    """What runs the folder."""

    OPENVINO = "openvino"
    ONNX = "onnx"
    SAFETENSORS = "safetensors"


class Head(StrEnum):
    """What an ONNX graph, or a checkpoint for other programs, ends in."""

    YESNO = "yesno"
    FULL = "full"
    SEQ_CLS = "seq-cls"


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="Checkpoint folder with safetensors files, or a GGUF file; or builtin, the small model that comes "
            "with yesrank.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DST", help="Folder to make; must not exist yet.", show_default=False)
    ],
    *,
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="openvino; onnx, for onnxruntime and Transformers.js; or safetensors, a checkpoint for others.",
        ),
    ] = Format.OPENVINO,
    weights: Annotated[
        Weights | None,
        typer.Option("--weights", "-w", help="openvino: how the weights are stored; without it int8."),
    ] = None,
    tokenizer_ir: Annotated[
        bool,
        typer.Option("--tokenizer-ir", help="openvino: also write openvino_tokenizer for OpenVINO GenAI."),
    ] = False,
    variants: Annotated[
        str | None,
        typer.Option(
            "--variants",
            help="onnx: which files, of fp32, fp16, q8, int8, q4, q4f16, with commas between, or all; "
            "without it q8,int8,q4.",
        ),
    ] = None,
    head: Annotated[
        Head | None,
        typer.Option(
            "--head",
            help="onnx: yesno, two logits and little memory (without it); full, the vocabulary's; seq-cls, one logit. "
            "safetensors: full (without it); seq-cls, a Qwen3ForSequenceClassification.",
        ),
    ] = None,
    template: TemplateOption = None,
    lora: Annotated[
        Path | None,
        typer.Option(
            "--lora", metavar="ADAPTER", help="Folder of a LoRA adapter to merge into the checkpoint."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            metavar="FOLDER",
            help="With tokenizer.json; for GGUF files from which it cannot be rebuilt.",
        ),
    ] = None,
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Move outliers to where rounding to 8 bits bears them, by real activations; for weights int8 and "
            "int8-sym, variants int8 and q8.",
        ),
    ] = False,
    model_type: ModelTypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a Qwen3-Reranker or Qwen3-Embedding checkpoint to an OpenVINO or ONNX folder, without PyTorch.

    The folder appears whole or not at all.
    """
    from yesrank.convert import DEFAULT_VARIANTS, convert_checkpoint
    from yesrank.convert import convert as run
    from yesrank.convert import convert_onnx as run_onnx
    from yesrank.convert.subject import subject_of
    from yesrank.kinds import RERANKER, kind_named
    from yesrank.models.folder import builtin_checkpoint

    given = {"weights": weights, "tokenizer_ir": tokenizer_ir or None, "variants": variants, "head": head}
    given |= {"template": template, "smooth": smooth or None}
    _refuse(given, format)
    kind = None if model_type is None else kind_named(model_type)
    if str(source) == "builtin" and not source.exists():
        source, kind = builtin_checkpoint(), kind or RERANKER
    else:
        source = _checked(source)
    subject = subject_of(source, template, kind, tokenizer=tokenizer, lora=lora)
    for line in subject.notes:
        output.note(f"note: {line}")
    started = time.perf_counter()
    with _progress(source) as progress:
        if format is Format.ONNX:
            names = DEFAULT_VARIANTS if variants is None else _names(variants)
            run_onnx(
                subject,
                target,
                variants=names,
                head=None if head is None else head.value,
                smooth=_smooth if smooth else None,
                progress=progress,
            )
        elif format is Format.SAFETENSORS:
            convert_checkpoint(subject.checkpoint, target, head=(head or Head.FULL).value, progress=progress)
        else:
            run(
                subject,
                target,
                weights=(weights or Weights.INT8).value,
                tokenizer_ir=tokenizer_ir,
                smooth=_smooth if smooth else None,
                progress=progress,
            )
    _show(target, source, format, time.perf_counter() - started, as_json=as_json)


def _checked(source: Path) -> Path:
    from yesrank.store.resolve import HUB_ID, from_address

    there, _ = from_address(str(source))
    if HUB_ID.fullmatch(there) and not source.exists():
        raise ModelNotFound(
            f"there is no folder {source}",
            f"check the path; or, to download and convert it in one step: yesrank pull {there}",
        )
    return source


def _smooth(checkpoint: "Checkpoint") -> "Factors":
    from yesrank.smooth import smoothing

    found = smoothing(checkpoint)
    output.note(
        f"smoothed: the matrices' products in int8 are off by {found.after:.2%} instead of {found.before:.2%}"
    )
    return found.factors


_TAKES = {
    Format.OPENVINO: ("weights", "tokenizer_ir", "template", "smooth"),
    Format.ONNX: ("variants", "head", "template", "smooth"),
    Format.SAFETENSORS: ("head",),
}


def _refuse(options: dict[str, Any], format: Format) -> None:
    """Raises InputError where an option of another format was given."""
    for name, value in options.items():
        if value is not None and name not in _TAKES[format]:
            raise InputError(
                name, f"does not go with the format {format}", f"leave --{name.replace('_', '-')} out"
            )


def _names(variants: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in variants.split(",") if name.strip())


def _show(target: Path, source: Path, format: Format, seconds: float, *, as_json: bool) -> None:
    from yesrank.kinds import EMBEDDING
    from yesrank.manifest import read_manifest

    manifest = read_manifest(target)
    written = {
        path.relative_to(target).as_posix(): path.stat().st_size
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }
    if as_json:
        onnx = manifest and manifest.onnx
        about = {
            "folder": str(target),
            "format": format.value,
            "kind": manifest and manifest.kind,
            "weights": manifest and manifest.weights,
            "head": onnx and onnx.head,
        }
        output.show_json({**about, "seconds": seconds, "files": written})
        return
    total = output.size(sum(written.values()))
    weights = f", weights {manifest.weights}" if manifest is not None else ""
    output.show(f"wrote {target}: {len(written)} files, {total}{weights}, in {seconds:.1f} s")
    if manifest is None:
        return
    output.note(f"next: yesrank verify {target} --source {source}")
    embeds = manifest.kind == EMBEDDING
    output.note(
        f"      yesrank {'embed' if embeds else 'rerank'} --model {target} {'TEXT' if embeds else 'QUERY DOC'} ..."
    )


@contextmanager
def _progress(source: Path) -> Iterator[Callable[[int, int, int, int], None]]:
    """A bar over bytes, with tensors, on stderr; yields update(tensors, of, bytes, of)."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = output.stderr_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("tensor {task.fields[tensors]}"),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"converting {source.name}", total=None, tensors="0")

        def update(done: int, tensors: int, done_bytes: int, total_bytes: int) -> None:
            progress.update(task, completed=done_bytes, total=total_bytes, tensors=f"{done}/{tensors}")

        yield update
