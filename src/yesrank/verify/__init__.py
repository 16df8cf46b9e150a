"""A converted folder against the reference engine and the published values."""

from yesrank.verify.compare import Comparison, Order, tolerance_for
from yesrank.verify.embedding import EmbeddingReport, examine_embedder, judge_embedder
from yesrank.verify.run import Expected, Golden, Report, examine, judge, verify

__all__ = [
    "Comparison",
    "EmbeddingReport",
    "Expected",
    "Golden",
    "Order",
    "Report",
    "examine",
    "examine_embedder",
    "judge",
    "judge_embedder",
    "tolerance_for",
    "verify",
]
