"""One profile over one sample, in a process of its own: what it holds and how it ends concerns nobody else.

Run as `python -m yesrank.bench.tune.worker`: reads a job from standard input and writes a result to standard output,
JSON both. Whatever the libraries print goes to standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from yesrank.bench.documents import synthetic_query
from yesrank.bench.memory import PeakMemory
from yesrank.errors import YesrankError
from yesrank.models.reranker import Reranker

_WARM_UP = 8  # documents, behind a query of their own: nothing of them is found again


@dataclass(frozen=True, slots=True)
class Ran:
    """seconds, cpu_seconds: of all requests, one after another. peak: the most bytes that the whole process held.

    logits: of each request's documents, in their order. load_seconds: to the first scores. precision: what really ran.
    """

    load_seconds: float
    seconds: float
    cpu_seconds: float
    peak: int
    precision: str
    note: str
    logits: list[list[float]]


def job(model: Mapping[str, Any], requests: Sequence[tuple[str, str | None, Sequence[str]]]) -> str:
    """The text of a job. model: arguments of Reranker. requests: (query, instruction, documents)."""
    return json.dumps({"model": dict(model), "requests": [*requests]})


def measure(given: Mapping[str, Any]) -> Ran:
    """Does the job. Raises as Reranker does."""
    requests = given["requests"]
    with PeakMemory() as memory:
        started = time.perf_counter()
        with Reranker(**given["model"]) as reranker:
            _, instruction, documents = requests[0]
            reranker.rank(synthetic_query(0), documents[:_WARM_UP], instruction=instruction, as_text=True)
            load_seconds = time.perf_counter() - started
            begun, busy = time.perf_counter(), time.process_time()
            logits = [_logits(reranker, *request) for request in requests]
            seconds, busy = time.perf_counter() - begun, time.process_time() - busy
            info = reranker.info
    return Ran(load_seconds, seconds, busy, memory.peak, info.precision, info.note, logits)


def _logits(reranker: Reranker, query: str, instruction: str | None, documents: Sequence[str]) -> list[float]:
    hits = reranker.rank(query, documents, instruction=instruction, as_text=True)
    return [hit.logit for hit in sorted(hits, key=lambda hit: hit.index)]


def main() -> None:
    """The process. A job that cannot be done is a result, too: the reason, and the next step."""
    say = _own_output()
    try:
        result: dict[str, Any] = asdict(measure(json.load(sys.stdin)))
    except YesrankError as error:
        result = {"failed": error.message, "hint": error.hint}
    say(json.dumps(result))


def _own_output() -> Callable[[str], object]:
    """Writes to what is standard output now; what others write there from now on goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(text: str) -> None:
        out.write(text)
        out.close()

    return say


if __name__ == "__main__":
    main()
