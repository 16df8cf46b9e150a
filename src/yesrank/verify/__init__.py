"""A converted folder against the reference engine and the published values."""

from yesrank.verify.compare import Comparison, Order, tolerance_for
from yesrank.verify.run import Golden, Report, verify

__all__ = ["Comparison", "Golden", "Order", "Report", "tolerance_for", "verify"]
