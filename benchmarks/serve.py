"""The server beside its engine alone: the same model, the same documents, the same machine, in turns.

    python benchmarks/serve.py [--model FOLDER] [--seconds 10] [--rounds 3] [--json FILE]

Everything stays on this machine, and the clients share its cores with the server. Every request has a query and
documents of its own, so that no cache answers.

- Throughput: rounds of the same requests through the engine one after another, through the engine in one call, and
  through the server by 32 clients, each sending its next request when it has its answer. The ratio is to the engine at
  its faster way.
- Latency: alone; beside one request of the largest size; at half the capacity, sent evenly whether or not earlier ones
  are answered (time counts from when a request was due); all clients at once.
- Overload: twice the capacity for a while, at a server whose queue holds a quarter of that time's work.
- Every answer of the rounds is compared with the engine's: each index once, and the scores.

A machine that does something else at the time makes all of it meaningless: the load before is printed.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from serve_measure import Bench, Options, overload, serving

from yesrank import Reranker
from yesrank.bench import synthetic_documents
from yesrank.bench.documents import synthetic_query

_PRESET = "0.6b"
_WIDTH = 140
_note = Console(stderr=True).print


def run(options: Options) -> dict[str, Any]:
    """All measurements. Needs a server that can be started here."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with Reranker(options.model) as reranker:
        with serving(options.model) as port:
            bench = Bench(options, reranker, port)
            _note("throughput")
            rounds = asyncio.run(bench.throughput())
            _note(f"the server reached {', '.join(f'{each.ratio:.1%}' for each in rounds)} of the engine")
            bench.check_batches()
            capacity = statistics.median(each.server for each in rounds)
            _note("latency")
            latencies = asyncio.run(bench.latencies(capacity))
            _note(
                "; ".join(
                    f"{e.documents} {e.situation}: p50 {e.p50:.2f} s, p99 {e.p99:.2f} s" for e in latencies
                )
            )
        tokens = reranker.rank(
            synthetic_query(0), synthetic_documents(options.documents, options.words, 0)
        ).tokens
        engine = asdict(reranker.info)
    _note("overload")
    queue = max(round(options.seconds / 4 * capacity / options.documents * tokens), 2 * tokens)
    with serving(options.model, "--max-queue-tokens", str(queue)) as port:
        beyond = asyncio.run(overload(options, port, capacity))
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor(), "load_before": load},
        "engine": engine,
        "options": asdict(options),
        "throughput": [{**asdict(each), "ratio": each.ratio} for each in rounds],
        "latency": [asdict(each) for each in latencies],
        "overload": {**asdict(beyond), "max_queue_tokens": queue},
        "correctness": asdict(bench.correct),
    }


def show(result: dict[str, Any]) -> None:
    """The tables."""
    console = Console(width=_WIDTH)
    table = _table(
        "throughput, documents/s",
        "round",
        "requests",
        "engine, one by one",
        "engine, together",
        "server",
        "ratio",
    )
    for number, each in enumerate(result["throughput"], 1):
        speeds = (f"{each[name]:.1f}" for name in ("one_by_one", "together", "server"))
        table.add_row(str(number), str(each["requests"]), *speeds, f"{each['ratio']:.1%}")
    console.print(table)
    alone = {each["documents"]: each["p50"] for each in result["latency"] if each["situation"] == "alone"}
    table = _table("latency, ms", "documents", "situation", "runs", "p50", "p99", "p99 / p50 alone")
    for each in result["latency"]:
        times = f"{each['p99'] / alone[each['documents']]:.1f}" if each["documents"] in alone else ""
        milliseconds = (f"{1000 * each[name]:.1f}" for name in ("p50", "p99"))
        table.add_row(str(each["documents"]), each["situation"], str(each["runs"]), *milliseconds, times)
    console.print(table)
    beyond, correct = result["overload"], result["correctness"]
    console.print(
        f"at {beyond['times']:g} times the capacity: {beyond['sent']} requests, status {beyond['statuses']}, "
        f"{beyond['with_retry_after']} with Retry-After; {beyond['documents_per_second']:.1f} documents/s; "
        f"p99 of the accepted {beyond['accepted_p99']:.2f} s; /health at worst {1000 * beyond['health_worst']:.0f} ms"
    )
    console.print(
        f"{correct['answers']} answers compared with the engine's: {correct['bad']} lost, doubled or failed; "
        f"scores differ by {correct['worst']:.2g} at most "
        f"(the engine's own, batched in another way: {correct['itself']:.2g})"
    )
    console.print(
        f"load of the machine before: {result['machine']['load_before']}; cores: {result['machine']['cores']}"
    )


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head == "situation" else "right")
    return table


def _model(given: str | None, work: Path) -> Path | None:
    if given == "builtin":
        return None
    if given:
        return Path(given)
    from models import Models

    work.mkdir(parents=True, exist_ok=True)
    return Models(work, _PRESET, None, _note).folder("int8")


def _options() -> tuple[Options, Path | None]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--model", help="a converted folder, or builtin; otherwise the 0.6B with random weights"
    )
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--documents", type=int, default=10, help="of a request")
    parser.add_argument("--sizes", default="1,10,1000", help="of the requests whose latency is measured")
    parser.add_argument("--words", type=int, default=120, help="of a document")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one measurement, roughly")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "yesrank" / "benchmarks")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    sizes = tuple(sorted({given.documents, *map(int, given.sizes.split(","))}))
    model = _model(given.model, given.work)
    return (
        Options(model, given.clients, given.documents, sizes, given.words, given.seconds, given.rounds),
        given.json,
    )


def main() -> None:
    """Measures, prints, and fails when an answer was wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the server would outlive this process
    options, file = _options()
    result = run(options)
    if file:
        file.write_text(json.dumps(result, indent=2, default=str) + "\n", encoding="utf-8")
    show(result)
    if result["correctness"]["bad"] or result["overload"]["with_retry_after"] < result["overload"][
        "statuses"
    ].get(429, 0):
        sys.exit(1)


if __name__ == "__main__":
    main()
