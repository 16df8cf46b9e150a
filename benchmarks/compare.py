"""yesrank beside other engines: the same weights, the same documents, the same machine, in turns.

    python benchmarks/compare.py [--documents 100] [--rounds 3] [--json FILE]

A round runs every contender once, each in a process and an environment of its own, so that a machine that slows down
for a while slows down all of them; ratios are taken within a round, and medians over the rounds are shown. See
benchmarks/README.md.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from contenders import CONTENDERS, JUDGES, Contender
from environments import Unavailable, python_of, variables
from machine import machine_of
from models import Models
from report import shown
from request import Request, prompts_of, request_of
from rich.console import Console
from rows import rows_of
from worker import Measurement

from yesrank.errors import YesrankError
from yesrank.qwen3 import Qwen3Config

_COPIES = 3  # of the whole vocabulary's logits that one padded batch was seen to hold at its peak
_SPARE = 3 << 30
_note = Console(stderr=True).print


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison; returns the exit status."""
    options = _options(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    models = Models(options.work, options.preset, options.tokenizer, _note)
    requests = [request_of(options, number) for number in range(options.rounds)]
    _note("matrix ceilings")
    machine = machine_of(requests[0], models)
    skipped: dict[str, str] = {}
    judge, judged = _judge(requests[0], models, options.judged)
    rounds: list[dict[str, Measurement]] = []

    def result() -> dict[str, Any]:
        return {
            "machine": machine,
            "settings": _settings(options),
            "judge": judge,
            "judged": len(judged),
            "rows": [asdict(row) for row in rows_of(requests[0], rounds, judged)],
            "skipped": {CONTENDERS[name].label: reason for name, reason in skipped.items()},
            "rounds": [{name: asdict(each) for name, each in measured.items()} for measured in rounds],
        }

    for number, request in enumerate(requests):
        rounds.append({})
        for name, measured in _round(number, request, options.only, models, skipped):
            rounds[-1][name] = measured
            if options.json:  # at once: who has not the time for all of it keeps what there is
                options.json.write_text(json.dumps(result(), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(shown(result()))
    return 0 if any(rounds) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the speed of yesrank with other engines.")
    parser.add_argument("--documents", type=int, default=100, help="documents of the request")
    parser.add_argument("--words", type=int, default=120, help="mean words of a document")
    parser.add_argument(
        "--part", type=int, default=16, help="documents that slow contenders run, of all lengths"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--warm-up", type=int, default=8, help="documents of another request, before the timed one"
    )
    parser.add_argument(
        "--judged", type=int, default=6, help="documents whose logits are compared with float32's"
    )
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--preset", default="0.6b", choices=("0.6b", "4b", "8b"), help="size of the model")
    parser.add_argument("--tokenizer", type=Path, help="folder with Qwen3's tokenizer.json; else one is made")
    parser.add_argument("--work", type=Path, default=_cache(), help="where models are made and kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    return parser.parse_args(arguments)


def _settings(options: argparse.Namespace) -> dict[str, str]:
    """What the figures depend on, and no path of this machine: results are published."""
    paths = {"work", "json", "tokenizer"}
    return {key: str(value) for key, value in vars(options).items() if key not in paths} | {
        "tokenizer": "own" if options.tokenizer is None else "given",
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "the default"),
    }


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "yesrank" / "benchmarks"


def _round(
    number: int, request: Request, names: Sequence[str], models: Models, skipped: dict[str, str]
) -> Iterator[tuple[str, Measurement]]:
    """(name, measurement) of one after the other. Who cannot run is added to `skipped`, and not tried again."""
    for name in names:
        contender = CONTENDERS[name]
        if name in skipped:
            continue
        try:
            found = _measured(name, contender, request, models)
        except (Unavailable, subprocess.SubprocessError, YesrankError, OSError) as error:
            skipped[name] = str(error)
            _note(f"round {number + 1}: {contender.label}: left out: {error}", markup=False)
            continue
        speed, cost = found.documents / found.seconds, found.cpu_seconds / found.documents
        _note(
            f"round {number + 1}: {contender.label}: {speed:.2f} documents/s, {cost:.2f} CPU s each",
            markup=False,
        )
        yield name, found


def _measured(name: str, contender: Contender, request: Request, models: Models) -> Measurement:
    """Raises Unavailable, or SubprocessError, where it cannot run here."""
    python = python_of(contender.environment)
    folder = models.folder(contender.folder)
    if contender.padded:
        _check_memory(request, contender, folder)
    documents = [request.documents[i] for i in request.indices(contender)]
    return _run(name, contender, python, folder, _job(request, documents))


def _job(request: Request, documents: Sequence[str]) -> dict[str, object]:
    return {"query": request.query, "documents": documents, "warm_up": request.warm_up}


def _run(name: str, contender: Contender, python: Path, folder: Path, job: dict[str, object]) -> Measurement:
    """Raises SubprocessError where the worker fails, with the last line that it wrote."""
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("worker.py"))],
        input=json.dumps({"name": name, "folder": str(folder), **job}),
        env=variables(contender.environment),
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


def _check_memory(request: Request, contender: Contender, folder: Path) -> None:
    """One padded batch makes logits of the whole vocabulary for every token, in float32. Raises Unavailable."""
    prompts = prompts_of(request, request.indices(contender), folder)
    longest = max(len(prompt) for prompt in prompts)
    vocabulary = Qwen3Config.from_folder(folder).vocab_size
    needed = _COPIES * len(prompts) * longest * vocabulary * 4 + _SPARE
    available = psutil.virtual_memory().available
    if needed > available:
        raise Unavailable(
            f"{len(prompts)} documents at once need about {needed / 1e9:.0f} GB, {available / 1e9:.0f} GB are free"
        )


def _judge(request: Request, models: Models, count: int) -> tuple[str, dict[int, float]]:
    """Who judged, and index of a document -> its logit in float32."""
    step = max(1, len(request.part) // count)
    indices = request.part[::step][:count]
    job = _job(request, [request.documents[index] for index in indices]) | {"warm_up": []}
    for name, judge in JUDGES.items():
        _note(f"logits in float32: {name}", markup=False)
        try:
            python = python_of(judge.environment)
            found = _run(name, judge, python, models.folder("source"), job)
        except (Unavailable, subprocess.SubprocessError) as error:
            _note(f"{name}: {error}", markup=False)
            continue
        return name, dict(zip(indices, found.logits, strict=True))
    raise AssertionError("yesrank itself is always there")


if __name__ == "__main__":
    sys.exit(main())
