"""`yesrank convert`: a published checkpoint to an OpenVINO model folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from yesrank.cli import output
from yesrank.cli.options import JsonOption, TemplateName, Weights


def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="Checkpoint folder with safetensors files.", show_default=False),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DST", help="Folder to make; must not exist yet.", show_default=False)
    ],
    *,
    weights: Annotated[
        Weights, typer.Option("--weights", "-w", help="How the weights are stored.")
    ] = Weights.INT8,
    tokenizer_ir: Annotated[
        bool, typer.Option("--tokenizer-ir", help="Also write openvino_tokenizer for OpenVINO GenAI.")
    ] = False,
    template: Annotated[
        TemplateName, typer.Option("--template", help="Prompt format to note in the manifest.")
    ] = TemplateName.CARD,
    as_json: JsonOption = False,
) -> None:
    """Convert a Qwen3-Reranker checkpoint to an OpenVINO folder, without PyTorch.

    The folder appears whole or not at all.
    """
    from yesrank.convert import convert as run

    started = time.perf_counter()
    with _progress(source) as progress:
        run(
            source,
            target,
            weights=weights.value,
            tokenizer_ir=tokenizer_ir,
            template=template.value,
            progress=progress,
        )
    seconds = time.perf_counter() - started
    written = {file.name: file.stat().st_size for file in sorted(target.iterdir()) if file.is_file()}
    if as_json:
        output.show_json(
            {"folder": str(target), "weights": weights.value, "seconds": seconds, "files": written}
        )
        return
    total = output.size(sum(written.values()))
    output.show(f"wrote {target}: {len(written)} files, {total}, weights {weights}, in {seconds:.1f} s")
    output.note(f"next: yesrank verify {target} --source {source}")
    output.note(f"      yesrank rerank --model {target} QUERY DOC ...")


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
