"""A converted folder against the reference engine and the published values."""

from yesrank.verify.compare import Comparison, Order, tolerance_for
from yesrank.verify.run import Expected, Golden, Report, examine, judge, verify

__all__ = [
    "Comparison",
    "Expected",
    "Golden",
    "Order",
    "Report",
    "examine",
    "judge",
    "tolerance_for",
    "verify",
]
