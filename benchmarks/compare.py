"""yesrank beside other engines: the same weights, the same documents, the same machine, in turns.

    python benchmarks/compare.py [--documents 100] [--rounds 3] [--json FILE]

A round runs every contender once, each in a process of its own, so that a machine that slows down for a while slows
down all of them; ratios are taken within a round, and medians over the rounds are shown. See benchmarks/README.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from contenders import CONTENDERS, JUDGES, MAX_LENGTH, OURS, Contender, Measurement
from models import prepare
from rich.console import Console
from rich.table import Table

from yesrank.bench import synthetic_documents
from yesrank.bench.documents import synthetic_query
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.qwen3 import Qwen3Config
from yesrank.tokens import PromptEncoder

_JUDGED = 6  # documents whose logits are compared with the judge's
_WARM_UP = synthetic_documents(8, 120, seed=1_000_003)
_COPIES = 3  # of the whole vocabulary's logits that one padded batch was seen to hold at its peak
_SPARE = 3 << 30
_WIDTH = 170  # a table in a file or a pipe must not be folded
_HEADS = (
    "contender",
    "documents",
    "documents/s",
    "(range)",
    "cores",
    "int8 faster by",
    "bf16 faster by",
    "peak GB",
    "scoring GB",
    "beyond weights",
    "logit error",
)
_note = Console(stderr=True).print


@dataclass(frozen=True)
class Request:
    """One round's query and documents. part: indices of those that slow contenders run."""

    query: str
    documents: list[str]
    part: list[int]

    def indices(self, contender: Contender) -> list[int]:
        """Which documents the contender is given."""
        return self.part if contender.slow else list(range(len(self.documents)))


@dataclass(frozen=True)
class Row:
    """One contender over all rounds. Memory in bytes; times_faster: of our contender `name`, over this one."""

    name: str
    label: str
    documents: int
    documents_per_second: float
    slowest: float
    fastest: float
    cores: float
    load_seconds: float
    weights: int
    peak: int
    running: int
    logit_error: float
    times_faster: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison; returns the exit status."""
    options = _options(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    folders = prepare(options.work, options.preset, options.tokenizer, _note)
    requests = [_request(options, number) for number in range(options.rounds)]
    machine = _machine()
    skipped: dict[str, str] = {}
    rounds = [
        _round(number, request, options.only, folders, skipped) for number, request in enumerate(requests)
    ]
    judge, judged = _judge(requests[0], folders)
    rows = _rows(requests[0], rounds, judged)
    _show(rows, skipped, judge, machine, options)
    if options.json:
        settings = {key: str(value) for key, value in vars(options).items()}
        result = {
            "machine": machine,
            "settings": settings,
            "judge": judge,
            "rows": [asdict(row) for row in rows],
            "skipped": skipped,
            "rounds": [{name: asdict(each) for name, each in measured.items()} for measured in rounds],
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0 if rows else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the speed of yesrank with other engines.")
    parser.add_argument("--documents", type=int, default=100, help="documents of the request")
    parser.add_argument("--words", type=int, default=120, help="mean words of a document")
    parser.add_argument(
        "--part", type=int, default=16, help="documents that slow contenders run, of all lengths"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--preset", default="0.6b", choices=("0.6b", "4b", "8b"), help="size of the model")
    parser.add_argument("--tokenizer", type=Path, help="folder with Qwen3's tokenizer.json; else one is made")
    parser.add_argument("--work", type=Path, default=_cache(), help="where models are made and kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    return parser.parse_args(arguments)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "yesrank" / "benchmarks"


def _request(options: argparse.Namespace, number: int) -> Request:
    """Every round has its own texts. The part is spread evenly over the lengths."""
    documents = synthetic_documents(options.documents, options.words, seed=number)
    count = min(options.part, len(documents))
    by_length = sorted(range(len(documents)), key=lambda i: len(documents[i]))
    part = [by_length[int((step + 0.5) * len(documents) / count)] for step in range(count)]
    return Request(synthetic_query(number), documents, part)


def _round(
    number: int, request: Request, names: Sequence[str], folders: dict[str, Path], skipped: dict[str, str]
) -> dict[str, Measurement]:
    """Name -> measurement. Who cannot run is added to `skipped`, and not tried again."""
    results = {}
    for name in names:
        contender = CONTENDERS[name]
        if name in skipped:
            continue
        folder = folders[contender.folder]
        reason = contender.missing or (_too_large(request, contender, folder) if contender.padded else None)
        if reason is None:
            documents = [request.documents[i] for i in request.indices(contender)]
            try:
                results[name] = _run(name, folder, request.query, documents)
            except subprocess.SubprocessError as error:
                reason = str(error)
        if reason is not None:
            skipped[name] = reason
            _note(f"round {number + 1}: {contender.label}: left out: {reason}", markup=False)
            continue
        speed = results[name].documents / results[name].seconds
        _note(f"round {number + 1}: {contender.label}: {speed:.2f} documents/s", markup=False)
    return results


def _run(name: str, folder: Path, query: str, documents: Sequence[str]) -> Measurement:
    """Raises SubprocessError where the worker fails, with the last line that it wrote."""
    job = {"name": name, "folder": str(folder), "query": query, "documents": documents, "warm_up": _WARM_UP}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("contenders.py"))],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        raise subprocess.SubprocessError(f"ended by signal {-done.returncode} (9: out of memory)")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise subprocess.SubprocessError(last[0])
    return Measurement(**json.loads(done.stdout.strip().splitlines()[-1]))


def _too_large(request: Request, contender: Contender, folder: Path) -> str | None:
    """One padded batch makes logits of the whole vocabulary for every token of every document, in float32."""
    documents = [request.documents[i] for i in request.indices(contender)]
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, request.query)
    prompts = PromptEncoder.from_folder(folder).prompts(around, documents, MAX_LENGTH)
    longest = max(len(prompt) for prompt in prompts)
    vocabulary = Qwen3Config.from_folder(folder).vocab_size
    needed = _COPIES * len(documents) * longest * vocabulary * 4 + _SPARE
    available = psutil.virtual_memory().available
    if needed <= available:
        return None
    return f"{len(documents)} documents at once need about {needed / 1e9:.0f} GB, {available / 1e9:.0f} GB are free"


def _judge(request: Request, folders: dict[str, Path]) -> tuple[str, dict[int, float]]:
    """Who judged, and index of a document -> its logit in float32."""
    step = max(1, len(request.part) // _JUDGED)
    indices = request.part[::step][:_JUDGED]
    for name, judge in JUDGES.items():
        if judge.missing is None:
            _note(f"logits in float32: {name}", markup=False)
            found = _run(name, folders["source"], request.query, [request.documents[i] for i in indices])
            return name, dict(zip(indices, found.logits, strict=True))
    raise AssertionError("yesrank itself is always there")


def _rows(request: Request, rounds: Sequence[dict[str, Measurement]], judged: dict[int, float]) -> list[Row]:
    return [
        _row(name, request, [each for each in rounds if name in each], judged)
        for name in CONTENDERS
        if name in rounds[0]
    ]


def _row(
    name: str, request: Request, rounds: Sequence[dict[str, Measurement]], judged: dict[int, float]
) -> Row:
    contender, mine = CONTENDERS[name], [each[name] for each in rounds]
    speeds = [each.documents / each.seconds for each in mine]
    logits = dict(zip(request.indices(contender), mine[0].logits, strict=True))
    return Row(
        name=name,
        label=contender.label,
        documents=mine[0].documents,
        documents_per_second=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        cores=statistics.median(each.cores for each in mine),
        load_seconds=statistics.median(each.load_seconds for each in mine),
        weights=mine[0].weights,
        peak=max(each.peak for each in mine),
        running=max(each.running for each in mine),
        logit_error=max(abs(logits[index] - logit) for index, logit in judged.items()),
        times_faster={ours: _times_faster(ours, name, rounds) for ours in OURS if ours in rounds[0]},
    )


def _times_faster(ours: str, other: str, rounds: Sequence[dict[str, Measurement]]) -> float:
    """Median over the rounds of our speed over the other's in the same round."""
    ratios = (
        (each[ours].documents / each[ours].seconds) / (each[other].documents / each[other].seconds)
        for each in rounds
        if ours in each
    )
    return statistics.median(ratios)


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "load_before": psutil.getloadavg()[0],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _show(
    rows: Sequence[Row],
    skipped: dict[str, str],
    judge: str,
    machine: dict[str, Any],
    options: argparse.Namespace,
) -> None:
    console = Console(width=max(Console().width, _WIDTH), highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    for head in _HEADS:
        table.add_column(head, justify="left" if head == "contender" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.label,
            str(row.documents),
            f"{row.documents_per_second:.2f}",
            f"{row.slowest:.2f}-{row.fastest:.2f}",
            f"{row.cores:.1f}",
            _times(row, "yesrank-int8"),
            _times(row, "yesrank-bf16"),
            f"{row.peak / 1e9:.2f}",
            f"{row.running / 1e9:.2f}",
            f"{(row.peak - row.weights) / 1e9:.2f}",
            f"{row.logit_error:.4f}",
        )
    console.print(table)
    for name, reason in skipped.items():
        console.print(f"left out: {CONTENDERS[name].label}: {reason}")
    console.print(
        f"\n1 query, {options.documents} documents of about {options.words} words, {options.rounds} rounds, medians; "
        f"slow contenders ran {options.part} of the documents, spread evenly over the lengths.\n"
        "cores: how many the contender kept busy; fewer than there are where other programs ran. "
        "int8 (bf16) faster by: speed of yesrank int8 (bf16) over this one's in the same round.\n"
        "Peak memory includes loading and "
        "libraries; scoring: from the end of loading on; beyond weights: peak less the size of the weights' file.\n"
        f"Logit error: against {judge} on {_JUDGED} documents, random weights.\n"
        f"{machine['processor']}, {machine['cores']} cores, load before the start {machine['load_before']:.2f}",
        soft_wrap=True,
    )


def _times(row: Row, ours: str) -> str:
    return f"{row.times_faster[ours]:.2f}x" if ours in row.times_faster else ""


if __name__ == "__main__":
    sys.exit(main())
