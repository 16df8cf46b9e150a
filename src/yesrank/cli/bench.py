"""`yesrank bench`: how fast, how large, and how near to the machine's limit."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from yesrank.cli import output
from yesrank.cli.opening import embeds, find, name_model
from yesrank.cli.options import (
    DeviceOption,
    EngineOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    VariantOption,
)

if TYPE_CHECKING:
    from yesrank.bench import BenchResult, EmbeddingBench


def bench(
    *,
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    documents: Annotated[int, typer.Option("--documents", min=1, help="Documents of a request.")] = 100,
    words: Annotated[int, typer.Option("--words", min=1, help="Mean words of a document.")] = 120,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, help="Requests of each kind; the median counts.")
    ] = 3,
    as_json: JsonOption = False,
) -> None:
    """Measure documents a second, latency, memory and load time on made-up documents."""
    from yesrank.bench import EmbeddingBench, bench_embedder
    from yesrank.bench import bench as run

    entry = find(model).overridden(device=device, precision=precision, engine=engine, variant=variant)
    measure: Any = bench_embedder if embeds(entry) else run
    result: BenchResult | EmbeddingBench = measure(
        entry.path,
        device=entry.device,
        precision=entry.precision,
        engine=entry.engine,
        variant=entry.variant,
        documents=documents,
        words=words,
        repeat=repeat,
        progress=output.note,
    )
    if as_json:
        output.show_json(asdict(result))
    elif isinstance(result, EmbeddingBench):
        _show_embedding(result)
    else:
        _show(result)
    name_model(entry, result.engine.precision)


def _show_embedding(result: "EmbeddingBench") -> None:
    query = result.latencies[0]
    speed = {
        "documents": f"{result.documents} of about {result.words} words",
        "documents/s": f"{result.documents_per_second:.2f}",
        "tokens/s": f"{result.tokens_per_second:,.0f}",
        "of the ceiling": f"bf16 {result.share_of_bf16:.0%}, int8 {result.share_of_int8:.0%}",
        "one query": f"p50 {query.p50 * 1e3:,.0f} ms, p99 {query.p99 * 1e3:,.0f} ms, of {query.runs}",
    }
    output.show(output.facts({**_machine(result), **speed}))


def _machine(result: "BenchResult | EmbeddingBench") -> dict[str, str]:
    engine, ceiling = result.engine, result.ceiling
    return {
        "engine": f"{engine.engine} on {engine.device}, {engine.precision}",
        "weights": output.size(engine.weights_bytes),
        "load to first result": f"{result.load_seconds:.2f} s",
        "peak memory": f"{output.size(result.peak_memory)}, "
        f"{output.size(result.beyond_weights)} beyond the weights",
        "matrix ceiling": f"bf16 {ceiling.bf16 / 1e12:.2f}, int8 {ceiling.int8 / 1e12:.2f} TOP/s",
    }


def _show(result: "BenchResult") -> None:
    output.show(output.facts(_machine(result)))
    _show_throughput(result)
    _show_latency(result)


def _show_throughput(result: "BenchResult") -> None:
    table = Table(
        title=f"{result.documents} documents of about {result.words} words",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("query")
    for name in ("documents/s", "document tokens/s", "all tokens/s", "of bf16 ceiling", "of int8 ceiling"):
        table.add_column(name, justify="right")
    for name, speed in (("new", result.cold), ("repeated", result.warm)):
        table.add_row(
            name,
            f"{speed.documents_per_second:.2f}",
            f"{speed.document_tokens_per_second:,.0f}",
            f"{speed.tokens_per_second:,.0f}",
            f"{speed.ceiling_bf16:.0%}",
            f"{speed.ceiling_int8:.0%}",
        )
    output.show(table)


def _show_latency(result: "BenchResult") -> None:
    table = Table(title="one request at a time", title_justify="left", box=None, pad_edge=False)
    for name in ("documents", "requests", "p50", "p99"):
        table.add_column(name, justify="right")
    for row in result.latencies:
        table.add_row(
            str(row.documents), str(row.runs), f"{row.p50 * 1e3:,.0f} ms", f"{row.p99 * 1e3:,.0f} ms"
        )
    output.show(table)
