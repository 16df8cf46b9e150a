"""One contender, one request, one process: its own peak memory, and nothing that another has loaded or warmed up.

Reads a job (JSON) from standard input and writes what it measured (JSON) as the last line of standard output.
"""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from contenders import CONTENDERS, JUDGES, Contender


@dataclass(frozen=True)
class Measurement:
    """Seconds of the timed request, and logits in the documents' order. Memory in bytes, over the process's life.

    cpu_seconds: processor time, of the processes that it started, too. cores: how many that kept busy; less than the
    machine has where other programs took some of it. running: the most memory held between the end of loading and the
    end of the request; of several processes the sum of what each held at most.
    """

    documents: int
    load_seconds: float
    seconds: float
    cpu_seconds: float
    cores: float
    peak: int
    running: int
    weights: int
    logits: list[float] = field(repr=False)


def measure(contender: Contender, folder: Path, job: dict[str, Any]) -> Measurement:
    """Opens the contender, lets it score the warm-up, and times the request."""
    started = time.perf_counter()
    score = contender.opens(folder)
    score("warm up", job["warm_up"])  # another query: a prefix cache must not know the timed one
    loaded = time.perf_counter()
    loading_peak = _peak()
    _restart_peak()
    begun, busy = time.perf_counter(), _cpu_seconds()
    logits = score(job["query"], job["documents"])
    seconds, busy = time.perf_counter() - begun, _cpu_seconds() - busy
    running = _peak()
    return Measurement(
        documents=len(logits),
        load_seconds=loaded - started,
        seconds=seconds,
        cpu_seconds=busy,
        cores=busy / seconds,
        peak=max(loading_peak, running),
        running=running,
        weights=weights_bytes(folder),
        logits=logits,
    )


def weights_bytes(folder: Path) -> int:
    """Of the files that hold them."""
    for patterns in (("openvino_model.bin",), ("*.safetensors",), ("onnx/model*.onnx*",)):
        if files := [
            path for pattern in patterns for path in folder.glob(pattern) if path.name != "head.safetensors"
        ]:
            return sum(path.stat().st_size for path in files)
    return 0


def _family() -> list[psutil.Process]:
    """This process and those that it started."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def _cpu_seconds() -> float:
    """Of the whole family, those that have ended included."""
    total = 0.0
    for process in _family():
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue  # it has just ended, and its parent has its time
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def _peak() -> int:
    """The most memory that each process of the family has held: VmHWM on Linux; elsewhere what they hold now."""
    return sum(map(_peak_of, _family()))


def _peak_of(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(kilobytes) * 1024
    except (OSError, ValueError):
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0


def _restart_peak() -> None:
    """Sets VmHWM back to what is held now (proc(5): writing 5 to clear_refs)."""
    for process in _family():
        try:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            continue  # not Linux, or not allowed here: `running` then covers loading too


def main() -> None:
    """One job: {name, folder, query, documents, warm_up}."""
    job = json.load(sys.stdin)
    result = measure((CONTENDERS | JUDGES)[job["name"]], Path(job["folder"]), job)
    sys.stdout.write("\n" + json.dumps(asdict(result)) + "\n")
    sys.stdout.flush()
    for process in _family()[1:]:
        process.kill()
    os._exit(0)  # engines with processes of their own take long to end them, and may fail while they do


if __name__ == "__main__":
    main()
