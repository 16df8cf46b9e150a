"""`yesrank add`: a name for a model, with the way in which it is to be run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yesrank.cli import output
from yesrank.cli.options import (
    InstructionOption,
    JsonOption,
    MaxLengthOption,
    ModelTypeOption,
    Precision,
    PrecisionOption,
    TemplateOption,
    VariantOption,
)
from yesrank.cli.pull import RevisionOption, WeightsOption, show_entry, steps
from yesrank.errors import DeviceMissing, InputError, MissingExtra

if TYPE_CHECKING:
    from yesrank.store import Entry

_OPENARC = ("optimum", "openvino")


def add(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What to call the model.", show_default=False)
    ] = None,
    *,
    model_path: Annotated[
        str,
        typer.Option(
            "--model-path",
            metavar="FOLDER|HF_ID",
            help="Converted folder, checkpoint, or OWNER/NAME on the Hugging Face hub.",
            show_default=False,
        ),
    ],
    model_name: Annotated[
        str | None, typer.Option("--model-name", metavar="NAME", help="NAME, as OpenArc has it.")
    ] = None,
    device: Annotated[
        str, typer.Option("--device", "-d", help="CPU, GPU (OpenVINO), CUDA, COREML, DML (ONNX), ...")
    ] = "CPU",
    precision: PrecisionOption = Precision.AUTO,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", "-a", metavar="NAME", help="Another name for it; may be repeated."),
    ] = None,
    weights: WeightsOption = None,
    revision: RevisionOption = None,
    model_type: ModelTypeOption = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="openvino|onnx",
            help="What runs it; without it what the folder holds. optimum, as in OpenArc, means openvino.",
        ),
    ] = None,
    variant: VariantOption = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape",
            metavar="cohere|jina|...",
            help="Shape of a server's answer to a body that could be of several services (see yesrank serve).",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a model a name, with the device, precision and instruction to run it with.

    A checkpoint is converted and a model of the hub is downloaded first; a converted folder is used where it
    lies. What rerank and other verbs are told by options goes before what is stored here. A device that this
    machine has not is stored all the same, with a warning.
    """
    from yesrank.kinds import kind_named
    from yesrank.store import Entry, Store, stored_already, take_in
    from yesrank.templates import stored

    engine, kind = _engine(engine), None if model_type is None else kind_named(model_type)
    entry = Entry(
        _name(name, model_name),
        Path(model_path),
        device=device,
        precision=precision.value if precision else "auto",
        engine=engine,
        variant=variant,
        instruction=instruction,
        template=stored(template),
        max_length=max_length,
        shape=shape,
        aliases=tuple(alias or ()),
    )
    store, made = Store(), weights.value if weights else None
    added = stored_already(store, entry, model_path, revision=revision, weights=made)
    what = "there already" if added is not None else "added"
    if added is None:
        with steps() as told:
            added = take_in(store, entry, model_path, revision=revision, weights=made, kind=kind, steps=told)
    show_entry(added, what, as_json=as_json)
    _warn_of_device(added)


def _warn_of_device(entry: "Entry") -> None:
    """A folder may be added on one machine and served on another, so that this is no error."""
    from yesrank.models.embedding_folder import open_folder
    from yesrank.models.engines import check_device

    try:
        check_device(open_folder(entry.path, kind=entry.kind), entry.device, entry.engine, entry.variant)
    except (DeviceMissing, MissingExtra) as error:
        output.note(f"warning: {error.message}", style="yellow")
        output.note(f"{entry.name} is stored all the same, for a machine that has it; {error.hint}")


def _name(name: str | None, model_name: str | None) -> str:
    found = name or model_name
    if found is None:
        raise InputError("name", "it is missing", "yesrank add NAME --model-path FOLDER")
    if model_name not in (None, found):
        raise InputError("name", f"it is {name!r}, and {model_name!r} with --model-name", "give one of them")
    return found


def _engine(engine: str | None) -> str | None:
    """The engine to store. OpenArc's names for its own are taken, and mean what runs here by itself."""
    if engine in _OPENARC:
        output.note(
            f"note: --engine {engine} is taken to mean yesrank's own engine on OpenVINO; "
            "--shape openarc makes a server answer in OpenArc's shape where a body does not say",
            style="dim",
        )
        return None
    if engine not in (None, "onnx"):
        raise InputError(
            "--engine", f"{engine!r} is not known", f"leave it out, or use onnx, {' or '.join(_OPENARC)}"
        )
    return engine
