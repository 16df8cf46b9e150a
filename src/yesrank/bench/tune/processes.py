"""Starts the worker, and tells a failure from a result."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from yesrank.bench.tune.sample import Sample
from yesrank.bench.tune.worker import Ran, job
from yesrank.store import Entry

COMMAND = (
    sys.executable,
    "-P",
    "-m",
    "yesrank.bench.tune.worker",
)  # -P: nothing of the user's folder is imported


class Failed(Exception):
    """A profile that did not run; str() is why."""


def run(entry: Entry, sample: Sample) -> Ran:
    """The sample on the entry's model, in a new process. Raises Failed."""
    model = {
        "model": str(entry.path),
        "device": entry.device,
        "precision": entry.precision,
        "engine": entry.engine,
        "variant": entry.variant,
        "instruction": entry.instruction,
        "template": entry.template,
        "max_length": entry.max_length,
    }
    requests = [(each.query, each.instruction, each.documents) for each in sample.requests]
    done = subprocess.run(
        COMMAND,
        input=job(model, requests).encode(),
        capture_output=True,
        check=False,
    )
    result = _result(done.stdout)
    if done.returncode or result is None:
        raise Failed(_reason(done))
    if "failed" in result:
        hint = result.get("hint")
        raise Failed(f"{result['failed']}; {hint}" if hint else str(result["failed"]))
    return Ran(**result)


def _result(output: bytes) -> Mapping[str, Any] | None:
    with suppress(ValueError):
        found = json.loads(output)
        return found if isinstance(found, dict) else None
    return None


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    """How a process ended that has said nothing itself: by a signal, or with a last line."""
    if done.returncode < 0:
        number = -done.returncode
        name = signal.Signals(number).name if number in {*signal.Signals} else str(number)
        why = ": most often there was not enough memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{why}"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"its process ended with {done.returncode}: {''.join(last) or 'no message'}"
