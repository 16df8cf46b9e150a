"""Last hidden states -> logits and scores, in float32 (logits of bf16 rows would move a score by up to 0.07)."""

import numpy as np

from yesrank.types import FloatArray


def logits(hidden: FloatArray, rows: FloatArray) -> FloatArray:
    """yes logit minus no logit. hidden: float32 [N, D]; rows: float32 [2, D], yes first; returns float32 [N].

    Summed row by row rather than by a matrix product, whose rounding depends on the row's place: equal hidden
    states must give equal logits.
    """
    direction = (rows[0] - rows[1]).astype(np.float64)
    result: FloatArray = np.sum(hidden * direction, axis=1).astype(np.float32)
    return result


def scores(logit: FloatArray) -> FloatArray:
    """sigmoid(logit), which equals softmax([no, yes])[1]. float32 [N] in [0, 1], without overflow."""
    wide = np.clip(logit.astype(np.float64), -700.0, 700.0)
    result: FloatArray = (1.0 / (1.0 + np.exp(-wide))).astype(np.float32)
    return result
