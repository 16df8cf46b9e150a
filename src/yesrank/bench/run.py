"""The measurement. Every repeat has its own query and documents, so that nothing is found in a cache.

`warm` asks the same query again with other documents: an engine that keeps the prefix computes only those.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yesrank.bench.ceiling import Ceiling, measure_ceiling, useful_work
from yesrank.bench.documents import synthetic_documents, synthetic_query
from yesrank.bench.memory import PeakMemory
from yesrank.models.folder import ModelFolder, open_model
from yesrank.models.reranker import Reranker
from yesrank.prompt import DEFAULT_INSTRUCTION, frame
from yesrank.tokens import PromptEncoder
from yesrank.types import EngineInfo

_LATENCY_RUNS, _LATENCY_SECONDS = 50, 10.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Medians over the repeats. document_tokens: without prefix and suffix; tokens: every prompt in full."""

    documents_per_second: float
    document_tokens_per_second: float
    tokens_per_second: float
    ceiling_bf16: float
    ceiling_int8: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of a request of `documents` documents, over `runs` requests one after another."""

    documents: int
    runs: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Everything measured. Sizes in bytes, times in seconds, shares of the ceiling between 0 and 1.

    cold: new query; warm: same query, other documents. peak_memory: above the process's size before loading;
    beyond_weights: the same less the weights.
    """

    engine: EngineInfo
    documents: int
    words: int
    repeat: int
    load_seconds: float
    cold: Throughput
    warm: Throughput
    latencies: tuple[Latency, ...]
    peak_memory: int
    beyond_weights: int
    ceiling: Ceiling


def bench(
    model: str | None = None,
    *,
    device: str = "CPU",
    precision: str = "auto",
    engine: str | None = None,
    variant: str | None = None,
    documents: int = 100,
    words: int = 120,
    repeat: int = 3,
    progress: Say | None = None,
) -> BenchResult:
    """Measures a model. progress is told each step. Raises ModelError or EngineError as Reranker does."""
    say = progress or (lambda _: None)
    folder = open_model(model)
    say("matrix ceiling")
    config = folder.config
    ceiling = measure_ceiling(config.hidden_size, config.intermediate_size, device)
    with PeakMemory() as memory:
        say("load and first score")
        started = time.perf_counter()
        reranker = Reranker(model, device=device, precision=precision, engine=engine, variant=variant)
        try:
            reranker.rank("first", ["score"])
            load_seconds = time.perf_counter() - started
            say(f"{documents} documents of about {words} words, {repeat} times")
            cold, warm = _throughput(reranker, _Meter(folder, ceiling), documents, words, repeat)
            peak = memory.peak
            say("latency")
            sizes = sorted({1, min(10, documents), documents})
            latencies = tuple(_latency(reranker, size, words, repeat) for size in sizes)
            info = reranker.info
        finally:
            reranker.close()
    return BenchResult(
        engine=info,
        documents=documents,
        words=words,
        repeat=repeat,
        load_seconds=load_seconds,
        cold=cold,
        warm=warm,
        latencies=latencies,
        peak_memory=peak - memory.start,
        beyond_weights=peak - memory.start - info.weights_bytes,
        ceiling=ceiling,
    )


class _Meter:
    """Counts the tokens and the work of a request."""

    def __init__(self, folder: ModelFolder, ceiling: Ceiling) -> None:
        self._folder, self._ceiling = folder, ceiling
        self._encoder = PromptEncoder.from_folder(folder.path)

    def throughput(self, query: str, texts: Sequence[str], seconds: float, *, known: bool) -> Throughput:
        around = frame(self._folder.template, DEFAULT_INSTRUCTION, query)
        prompts = self._encoder.prompts(around, texts, self._folder.max_length)
        [empty] = self._encoder.prompts(around, [""], self._folder.max_length)
        lengths = [len(prompt) for prompt in prompts]
        work = useful_work(self._folder.config, empty.shared, lengths, prefix_known=known)
        return Throughput(
            documents_per_second=len(texts) / seconds,
            document_tokens_per_second=sum(length - len(empty) for length in lengths) / seconds,
            tokens_per_second=sum(lengths) / seconds,
            ceiling_bf16=work / seconds / self._ceiling.bf16,
            ceiling_int8=work / seconds / self._ceiling.int8,
        )


def _throughput(
    reranker: Reranker, meter: _Meter, documents: int, words: int, repeat: int
) -> tuple[Throughput, Throughput]:
    """Cold and warm, each the repeat of median speed, after one request that does not count."""
    reranker.rank(synthetic_query(0), synthetic_documents(documents, words, 0))
    cold: list[Throughput] = []
    warm: list[Throughput] = []
    for number in range(1, repeat + 1):
        query = synthetic_query(number)
        for results, seed, known in ((cold, 2 * number, False), (warm, 2 * number + 1, True)):
            texts = synthetic_documents(documents, words, seed)
            started = time.perf_counter()
            reranker.rank(query, texts)
            results.append(meter.throughput(query, texts, time.perf_counter() - started, known=known))
    return _median(cold), _median(warm)


def _median(results: list[Throughput]) -> Throughput:
    return sorted(results, key=lambda result: result.documents_per_second)[len(results) // 2]


def _latency(reranker: Reranker, documents: int, words: int, repeat: int) -> Latency:
    """At least `repeat` requests, and more while the time allows; every one has a new query."""
    seconds: list[float] = []
    until = time.perf_counter() + _LATENCY_SECONDS
    while len(seconds) < repeat or (len(seconds) < _LATENCY_RUNS and time.perf_counter() < until):
        seed = 1_000_000 * documents + len(seconds)
        query, texts = synthetic_query(seed), synthetic_documents(documents, words, seed)
        started = time.perf_counter()
        reranker.rank(query, texts)
        seconds.append(time.perf_counter() - started)
    return Latency(documents, len(seconds), statistics.median(seconds), percentile(seconds, 0.99))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (of few, the largest)."""
    ordered = sorted(values)
    return ordered[min(max(-int(-share * len(ordered) // 1), 1), len(ordered)) - 1]
