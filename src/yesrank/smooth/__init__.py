"""Outliers of a checkpoint, moved to where rounding to 8 bits bears them: the same function, other weights."""

from yesrank.smooth.run import Smoothing, smoothing

__all__ = ["Smoothing", "smoothing"]
