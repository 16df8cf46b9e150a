"""`yesrank pull`: a model of the Hugging Face hub, downloaded, converted where it has to be, and named."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yesrank.cli import output
from yesrank.cli.options import JsonOption, ModelTypeOption, Weights

if TYPE_CHECKING:
    from yesrank.store import Entry, Steps

RevisionOption = Annotated[
    str | None,
    typer.Option(
        "--revision", metavar="REV", help="Branch, tag or commit on the hub; the newest without it."
    ),
]
WeightsOption = Annotated[
    Weights | None,
    typer.Option("--weights", "-w", help="How the weights of a checkpoint are stored; int8 without it."),
]


def pull(
    model: Annotated[str, typer.Argument(metavar="HF_ID", help="OWNER/NAME on the hub.", show_default=False)],
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Its name here; without it the last part of HF_ID."),
    ] = None,
    revision: RevisionOption = None,
    weights: WeightsOption = None,
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="q8|q4|...",
            help="Take this one of its ONNX files, rather than a checkpoint that is there too.",
        ),
    ] = None,
    model_type: ModelTypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download a model of the Hugging Face hub, convert it, and give it a name.

    An interrupted download goes on where it stopped when the same command is run again. HF_TOKEN, HF_ENDPOINT,
    HF_HOME and HF_HUB_OFFLINE are respected. An OpenVINO model is used as it was published, and so are ONNX files, of
    which one variant is downloaded.
    """
    from yesrank.kinds import kind_named
    from yesrank.store import Store
    from yesrank.store import pull as run

    with steps() as told:
        entry, new = run(
            Store(),
            model,
            name=name,
            revision=revision,
            weights=None if weights is None else weights.value,
            variant=variant,
            kind=None if model_type is None else kind_named(model_type),
            steps=told,
        )
    show_entry(entry, "added" if new else "there already", as_json=as_json)


@contextmanager
def steps() -> Iterator["Steps"]:
    """Bars for download and conversion, and notes, on stderr. After Ctrl-C it says how to go on."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from yesrank.store import Steps

    console = output.stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = progress.add_task(label)
            progress.update(tasks[label], completed=done, total=total)

        told = Steps(
            note=output.note,
            download=lambda done, total: show("downloading", done, total),
            convert=lambda _tensors, _of, done, total: show("converting", done, total),
        )
        try:
            yield told
        except KeyboardInterrupt:
            output.note("interrupted; the same command goes on where it stopped")
            raise


def show_entry(entry: "Entry", what: str, *, as_json: bool) -> None:
    """One line about an entry on stdout, and what may come next on stderr."""
    from yesrank.store import Store

    default = Store().default().name
    if as_json:
        output.show_json(
            {"name": entry.name, "status": what, "default": default == entry.name, **plain(entry)}
        )
        return
    output.show(f"{what}: {entry.name} ({entry.path})")
    if entry.kind is not None:
        output.note(f"it embeds; next: yesrank embed --model {entry.name} TEXT ...")
        return
    if default == entry.name:
        output.note("it is the default model, which runs where none is named")
        output.note("next: yesrank rerank QUERY DOC ...")
    else:
        output.note(f"next: yesrank rerank --model {entry.name} QUERY DOC ...")
        output.note(f"{default} stays the default; to change it: yesrank default {entry.name}")


def plain(entry: "Entry") -> dict[str, Any]:
    """The fields of an entry as plain data, each of them even where it is not set."""
    from dataclasses import asdict

    tuned = entry.tuned and entry.tuned.isoformat()
    return {**asdict(entry), "path": str(entry.path), "added": entry.added.isoformat(), "tuned": tuned}
