"""Speed, latency and memory of a model on this machine, and the share of its matrix ceiling in use."""

from yesrank.bench.documents import synthetic_documents
from yesrank.bench.embedding import EmbeddingBench, bench_embedder
from yesrank.bench.run import BenchResult, Latency, Throughput, bench

__all__ = [
    "BenchResult",
    "EmbeddingBench",
    "Latency",
    "Throughput",
    "bench",
    "bench_embedder",
    "synthetic_documents",
]
