"""Options that several verbs share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from yesrank.cli import output
from yesrank.prompt import EMPTY_INSTRUCTION, TEMPLATES, is_blank


class Precision(StrEnum):
    """The arithmetic of a run."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    INT8 = "int8"
    W8A8 = "w8a8"


class EngineName(StrEnum):
    """What runs a model."""

    OPENVINO = "openvino"
    ONNX = "onnx"
    VLLM = "vllm"


class Long(StrEnum):
    """What is done with a document that is longer than the limit."""

    CUT = "cut"
    BEST = "best-passage"


class Weights(StrEnum):
    """How converted weights are stored."""

    BF16 = "bf16"
    F16 = "f16"
    INT8 = "int8"
    INT8_SYM = "int8-sym"
    INT4 = "int4"


def _templates(incomplete: str) -> list[str]:
    return [name for name in TEMPLATES if name.startswith(incomplete)]


def _instruction(given: str | None) -> str | None:
    """An empty one is a prompt of its own, and mostly a variable of the shell that is not set."""
    if given is not None and is_blank(given):
        output.warn(f"note: {EMPTY_INSTRUCTION}; without --instruction it is the model's own", style="yellow")
    return given


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="YESRANK_MODEL",
        show_envvar=False,
        metavar="NAME|FOLDER",
        help="Stored name, model folder or builtin; without it YESRANK_MODEL, else what yesrank default shows.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device", "-d", help="CPU, GPU (OpenVINO), CUDA, COREML, DML (ONNX), ...; the name's own, else CPU."
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option("--precision", "-p", help="Arithmetic of OpenVINO; the name's own, else auto."),
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option("--engine", help="What runs it; else the name's own, else by what the folder holds."),
]
EngineOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-option",
        metavar="NAME=VALUE",
        help="Of vLLM, by its own name, such as tensor_parallel_size=2; may be given again.",
    ),
]
VariantOption = Annotated[
    str | None,
    typer.Option(
        "--variant", metavar="q8|q4|...", help="Which ONNX file: int8, q8, fp32, q4, fp16 or q4f16."
    ),
]
InstructionOption = Annotated[
    str | None,
    typer.Option(
        "--instruction",
        "-i",
        help="What makes a document relevant, in one sentence.",
        callback=_instruction,
    ),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(
        "--template",
        metavar="card|chat|onnx-card|FILE",
        autocompletion=_templates,
        help="Prompt format, where the model's own is not wanted; a file holds one with places (docs/prompts.md).",
    ),
]
MaxLengthOption = Annotated[
    int | None,
    typer.Option("--max-length", min=1, help="Most tokens of a prompt; longer documents are cut and marked."),
]
ModelTypeOption = Annotated[
    str | None,
    typer.Option(
        "--model-type",
        metavar="rerank|embedding",
        help="What the model is, where its files do not say so.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Model folder, or a stored name.", show_default=False)
]
