"""`yesrank batch`: many queries and their documents, as a job that goes on where it was stopped."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yesrank.cli import output as out
from yesrank.cli.opening import engine_options, find, name_model
from yesrank.cli.options import (
    DeviceOption,
    EngineOption,
    EngineOptionsOption,
    InstructionOption,
    JsonOption,
    MaxLengthOption,
    ModelOption,
    PrecisionOption,
    TemplateOption,
    VariantOption,
)
from yesrank.errors import EngineError, InputError

if TYPE_CHECKING:
    from yesrank.jobs import Done, Reading

_TOKENS = 32_768


def batch(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT...", help="JSONL or Parquet files, or folders of them.", show_default=False
        ),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Argument(metavar="OUT.parquet", help="The output, a row a pair.", show_default=False)
    ],
    run: Annotated[
        Path | None,
        typer.Option("--run", help="A TREC run to rerank, in place of INPUT; with the two below."),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="The run's documents: JSONL, TSV or CSV.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Option("--queries", help="The run's queries: JSONL, TSV or CSV.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Only the run's best N documents of each query.")
    ] = None,
    save_run: Annotated[
        Path | None, typer.Option("--save-run", help="Write the new order as a TREC run, too.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    engine_option: EngineOptionsOption = None,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    as_text: Annotated[
        bool,
        typer.Option(
            "--as-text", help="Take nothing out of a prompt's template: all is judged as it stands."
        ),
    ] = False,
    partition_tokens: Annotated[
        int,
        typer.Option(
            "--partition-tokens", min=1024, help="Tokens, about, that are computed between two writes."
        ),
    ] = _TOKENS,
    any_processor: Annotated[
        bool,
        typer.Option("--any-processor", help="Let processors of several kinds compute rows of one output."),
    ] = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray", help="Compute in several processes, on Ray; without --address on this machine."
        ),
    ] = False,
    address: Annotated[
        str | None, typer.Option("--address", help="Of a Ray cluster that is there: HOST:PORT, or auto.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Of Ray: processes that hold the model; else one a node."),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option("--cpus-per-worker", min=1, help="Of Ray; else each has its share of the cores."),
    ] = None,
    gpus: Annotated[float | None, typer.Option("--gpus-per-worker", min=0, help="Of Ray; else none.")] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Start over, and throw away what another job left at OUT.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score many pairs of queries and documents, as a job that may be killed at any moment.

    A line or row of INPUT is a query with its "documents" (strings, or objects with a text and an id), or a pair of a
    "query" and a "document"; and where wanted "query_id", "document_id", "instruction". OUT has a row a pair, in the
    order of the input. The same command again goes on where the job stopped, and does nothing where it is finished.
    What cannot be scored has a reason in its row, and stands in OUT.failures.jsonl.
    """
    from yesrank.cli.evaluation_progress import progress
    from yesrank.jobs import Job, carry_out, in_this_process, plan_for, settings_of
    from yesrank.jobs.cluster import Cluster
    from yesrank.jobs.crew import Model, on_cluster
    from yesrank.jobs.run import check_output
    from yesrank.store.opening import open_entry

    check_output(output)
    _check_ray(ray or address is not None, workers=workers, cpus_per_worker=cpus, gpus_per_worker=gpus)
    _check_inputs(inputs or [], run, corpus, queries, top_k)
    entry = find(model).overridden(
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        engine_options=engine_options(engine_option),
        instruction=instruction,
        template=template,
        max_length=max_length,
    )
    reading = _read(inputs or [], run, corpus, queries, top_k)
    plan = plan_for(entry, reading.pairs, tokens=partition_tokens, as_text=as_text)
    settings = settings_of(entry, tokens=partition_tokens, as_text=as_text, any_processor=any_processor)
    out.note(f"{reading.what}; {len(plan.partitions):,} partitions", style="dim")
    for note in (*reading.notes, *plan.notes):
        out.note(f"note: {note}")
    job = Job(plan, settings, output, save_run)
    options = {"tokens": partition_tokens, "as_text": as_text, "any_processor": any_processor}
    if ray or address is not None:
        cluster = Cluster(address, workers, cpus, gpus)
        computed = on_cluster(cluster, Model(entry, options, settings), _warn)
    else:
        computed = in_this_process(lambda: open_entry(entry))
    with progress("batch", plan.pairs) as report:
        done = carry_out(job, computed, anew=anew, note=_warn, report=report)
    _show(done, output, as_json=as_json)
    name_model(entry)


def _warn(text: str) -> None:
    out.warn(f"note: {text}")


def _check_ray(used: bool, **options: object) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given and not used:
        raise InputError(
            given[0].replace("_", "-"), "is an option of Ray", "say so: --ray, or --address HOST:PORT"
        )


def _check_inputs(
    inputs: list[Path], run: Path | None, corpus: Path | None, queries: Path | None, top_k: int | None
) -> None:
    """Raises InputError for sources that do not go together."""
    of_run = {"corpus": corpus, "queries": queries}
    if run is None:
        given = [name for name, value in {**of_run, "top-k": top_k}.items() if value is not None]
        if given:
            raise InputError(given[0], "goes with a run", "give the run as well: --run RUN")
        if not inputs:
            raise InputError("input", "there is none", "yesrank batch INPUT... OUT.parquet, or --run RUN")
        return
    if inputs:
        raise InputError("run", f"{inputs[0]} is given as input beside it", "give one of the two")
    missing = [name for name, value in of_run.items() if value is None]
    if missing:
        raise InputError(
            missing[0], "a run names its texts only", f"give the file that holds them: --{missing[0]}"
        )


def _read(
    inputs: list[Path], run: Path | None, corpus: Path | None, queries: Path | None, top_k: int | None
) -> "Reading":
    from yesrank.jobs import read, read_trec

    with out.busy("reading"):
        if run is not None and corpus is not None and queries is not None:
            return read_trec(run, corpus, queries, top_k)
        return read(inputs)


def _show(done: "Done", output: Path, *, as_json: bool) -> None:
    from yesrank.jobs import failures_path

    found = done.outcome
    if as_json:
        out.show_json(
            {
                "output": str(output),
                "pairs": found.pairs,
                "computed": done.computed,
                "truncated": found.truncated,
                "failures": dict(found.failures),
                "failures_file": str(failures_path(output)) if found.failed else None,
            }
        )
    else:
        state = (
            "was finished before, nothing to do" if done.known else f"{done.computed:,} of them computed now"
        )
        out.line(f"{output}: {found.pairs:,} pairs, {state}")
    if found.failed:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in found.failures.items())
        out.warn(
            f"note: {found.failed:,} pairs have no score ({kinds}): {failures_path(output)}", style="yellow"
        )
    if found.failed == found.pairs:
        raise EngineError("no pair could be scored", f"the reasons stand in {failures_path(output)}")
