"""Speed, latency and memory of a model on this machine, and the share of its matrix ceiling in use."""

from yesrank.bench.documents import synthetic_documents
from yesrank.bench.run import BenchResult, Latency, Throughput, bench

__all__ = ["BenchResult", "Latency", "Throughput", "bench", "synthetic_documents"]
