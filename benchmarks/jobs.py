"""A batch job on Ray beside the same job in one process: the same partitions, the same cores, in turns.

    python benchmarks/jobs.py [--model NAME|FOLDER] [--queries 20] [--documents 100] [--workers 2] [--rounds 3]

Needs yesrank with the extra ray. Compared is the time from the first finished partition to the last one: a start
(processes, the model) is paid once however long the job is, and is told apart. Processor time is that of this process
and all below it, Ray's own among them: it says the same on a machine that does something else at the time, where a wall
clock says little. The rows of all runs are compared.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from yesrank.bench import synthetic_documents
from yesrank.bench.documents import synthetic_query
from yesrank.jobs import Job, carry_out, in_this_process, plan_for, read, settings_of
from yesrank.jobs.cluster import Cluster
from yesrank.jobs.crew import Model, on_cluster
from yesrank.jobs.run import Workers
from yesrank.store import Entry, resolve
from yesrank.store.opening import open_entry


@dataclass(frozen=True, slots=True)
class Run:
    """start: seconds to the first partition. pairs: those after it; wall, cpu: their seconds."""

    start: float
    pairs: int
    wall: float
    cpu: float


class Clock:
    """Is told of progress; looks at the times when the first and the last pairs are done, since looking takes time."""

    def __init__(self, total: int) -> None:
        self._began, self._marks, self._done, self._total = time.perf_counter(), [], 0, total

    def __call__(self, more: int) -> None:
        self._done += more
        if more and (not self._marks or self._done == self._total):
            self._marks.append((self._done, time.perf_counter(), processor_seconds()))

    def run(self) -> Run:
        (first, begin, before), (last, end, after) = self._marks
        return Run(begin - self._began, last - first, end - begin, after - before)


def processor_seconds() -> float:
    """Of this process and of all that live below it."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def measured(entry: Entry, source: Path, output: Path, workers: Workers, tokens: int) -> Run:
    """One run of the whole job."""
    plan = plan_for(entry, read([source]).pairs, tokens=tokens)
    clock = Clock(plan.pairs)
    job = Job(plan, settings_of(entry, tokens=tokens), output)
    carry_out(job, workers, anew=True, note=lambda text: print(text, file=sys.stderr), report=clock)
    return clock.run()


def write_input(path: Path, queries: int, documents: int) -> None:
    """Queries that differ, each with documents of its own."""
    with path.open("w", encoding="utf-8") as file:
        for seed in range(queries):
            texts = synthetic_documents(documents, 20, seed)
            file.write(json.dumps({"query": synthetic_query(seed), "documents": texts}) + "\n")


def compare(options: argparse.Namespace) -> dict[str, object]:
    """All rounds, and the ratios within each."""
    entry = resolve(options.model)
    cores = len(os.sched_getaffinity(0))
    cluster = Cluster(workers=options.workers, cpus=max(1, cores // options.workers))
    model = Model(entry, {"tokens": options.tokens}, settings_of(entry, tokens=options.tokens))
    kinds: dict[str, Callable[[], Workers]] = {
        "one process": lambda: in_this_process(lambda: open_entry(entry)),
        "ray": lambda: on_cluster(cluster, model, lambda text: print(text, file=sys.stderr)),
    }
    found: dict[str, list[Run]] = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.jsonl")
        write_input(source, options.queries, options.documents)
        outputs = {name: Path(folder, f"{name}.parquet") for name in kinds}
        for number in range(options.rounds):
            for name in [*kinds] if number % 2 == 0 else [*kinds][::-1]:
                found[name].append(measured(entry, source, outputs[name], kinds[name](), options.tokens))
                print(name, found[name][-1], file=sys.stderr)
            one, other = (pq.read_table(path) for path in outputs.values())
            if not one.equals(other):
                raise SystemExit("the rows differ")
    pairs = [*zip(found["one process"], found["ray"], strict=True)]
    return {
        "model": entry.name,
        "cores": cores,
        "workers": options.workers,
        "pairs": options.queries * options.documents,
        "load": os.getloadavg()[0],
        "runs": {name: [asdict(each) for each in runs] for name, runs in found.items()},
        "speed of ray / one process": [(b.pairs / b.wall) / (a.pairs / a.wall) for a, b in pairs],
        "processor time a pair, ray / one process": [(b.cpu / b.pairs) / (a.cpu / a.pairs) for a, b in pairs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="a batch job on Ray beside the same in one process")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=8192, help="of a partition")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = compare(options)
    for name in ("speed of ray / one process", "processor time a pair, ray / one process"):
        ratios = found[name]
        print(
            f"{name}: median {statistics.median(ratios):.3f} of {', '.join(f'{each:.3f}' for each in ratios)}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
