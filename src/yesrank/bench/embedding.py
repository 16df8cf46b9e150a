"""The measurement of an embedding model: made-up documents, every repeat with others, so that none is found cached."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yesrank.bench.ceiling import Ceiling, measure_ceiling, useful_work
from yesrank.bench.documents import synthetic_documents, synthetic_query
from yesrank.bench.memory import PeakMemory
from yesrank.bench.run import Latency, percentile
from yesrank.models.embedder import Embedder
from yesrank.types import EngineInfo

_LATENCY_RUNS, _LATENCY_SECONDS = 50, 10.0


@dataclass(frozen=True, slots=True)
class EmbeddingBench:
    """Everything measured. Sizes in bytes, times in seconds, shares of the ceiling between 0 and 1.

    documents_per_second, tokens_per_second: medians over the repeats. latencies: of one query at a time.
    peak_memory: above the process's size before loading; beyond_weights: the same less the weights.
    """

    engine: EngineInfo
    documents: int
    words: int
    repeat: int
    load_seconds: float
    documents_per_second: float
    tokens_per_second: float
    share_of_bf16: float
    share_of_int8: float
    latencies: tuple[Latency, ...]
    peak_memory: int
    beyond_weights: int
    ceiling: Ceiling


def bench_embedder(
    model: Path,
    *,
    device: str = "CPU",
    precision: str = "auto",
    engine: str | None = None,
    variant: str | None = None,
    documents: int = 100,
    words: int = 120,
    repeat: int = 3,
    progress: Callable[[str], None] | None = None,
) -> EmbeddingBench:
    """Measures a model. progress is told each step. Raises ModelError or EngineError as Embedder does."""
    say = progress or (lambda _: None)
    with PeakMemory() as memory:
        say("load and first vector")
        started = time.perf_counter()
        options = {"device": device, "precision": precision, "engine": engine, "variant": variant}
        with Embedder(model, sure=True, **options) as embedder:  # type: ignore[arg-type]
            embedder.encode("first")
            load_seconds = time.perf_counter() - started
            say(f"{documents} documents of about {words} words, {repeat} times")
            speeds = sorted(_speed(embedder, documents, words, seed) for seed in range(repeat))
            peak = memory.peak
            say("latency")
            latency = _latency(embedder, repeat)
            info, config = embedder.info, embedder.folder.config
    say("matrix ceiling")
    ceiling = measure_ceiling(config.hidden_size, config.intermediate_size, device)
    seconds, lengths = speeds[len(speeds) // 2]
    work = useful_work(config, 0, lengths, prefix_known=True) / seconds
    return EmbeddingBench(
        engine=info,
        documents=documents,
        words=words,
        repeat=repeat,
        load_seconds=load_seconds,
        documents_per_second=documents / seconds,
        tokens_per_second=sum(lengths) / seconds,
        share_of_bf16=work / ceiling.bf16,
        share_of_int8=work / ceiling.int8,
        latencies=(latency,),
        peak_memory=peak - memory.start,
        beyond_weights=peak - memory.start - info.weights_bytes,
        ceiling=ceiling,
    )


def _speed(embedder: Embedder, documents: int, words: int, seed: int) -> tuple[float, list[int]]:
    """Seconds, and the tokens of each document."""
    texts = synthetic_documents(documents, words, seed)
    started = time.perf_counter()
    embedder.encode_document(texts)
    seconds = time.perf_counter() - started
    return seconds, [len(prompt) for prompt in embedder.prompts(texts, embedder.frame_for("document"))]


def _latency(embedder: Embedder, repeat: int) -> Latency:
    """At least `repeat` queries, and more while the time allows."""
    seconds: list[float] = []
    until = time.perf_counter() + _LATENCY_SECONDS
    while len(seconds) < repeat or (len(seconds) < _LATENCY_RUNS and time.perf_counter() < until):
        started = time.perf_counter()
        embedder.encode_query(synthetic_query(len(seconds)))
        seconds.append(time.perf_counter() - started)
    return Latency(1, len(seconds), statistics.median(seconds), percentile(seconds, 0.99))
