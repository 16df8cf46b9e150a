"""Which numbers move large values out of a matrix' columns, or out of what it is multiplied with.

A product X W^T stays what it is when channel j of X is divided by s_j and column j of W multiplied by it. Where both
are rounded to 8 bits, each to steps of its largest value, a channel that is far larger than the others leaves few
levels for these. s_j = a_j^strength / w_j^(1 - strength), a_j and w_j the largest values of the channel on either side,
splits the burden (SmoothQuant, https://arxiv.org/abs/2211.10438). How well that does depends on the model, so several
strengths are tried on real activations, as is leaving all as it is, and the least error wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from yesrank.types import FloatArray

_STRENGTHS = (0.35, 0.5, 0.7)
_LEFT_ALONE = (
    0,
    1,
    2,
)  # factors of up to 2 to that from the usual one: moving them may cost more than it brings
_TINY = np.float32(1e-30)
_LEVELS = np.float32(127)
_JUDGED = 512  # rows of a matrix by which factors are judged: each row is rounded by itself


@dataclass(frozen=True, slots=True)
class Balance:
    """What was found for one product: factors of the columns, powers of two [K], or None where none do better.

    before, after: the relative error of the rounded product without and with them.
    """

    columns: FloatArray | None
    before: float
    after: float


def balance(
    source: FloatArray,
    matrices: Sequence[FloatArray],
    *,
    most: FloatArray | None = None,
    tied: tuple[int, int] = (1, 1),
) -> Balance:
    """The best factors for the products of source [T, K] with each of the matrices [O, K].

    most: powers of two [K] that the factors may reach at most. tied: (groups, members): the channels lie in so many
    groups of so many heads, and the heads of a group have the same factors.
    """
    sizes = _tied(_largest_of_channels(source), tied)
    widths = _tied(np.max([np.abs(matrix).max(axis=0) for matrix in matrices], axis=0), tied)
    judged = [matrix[:: -(-len(matrix) // _JUDGED)] for matrix in matrices]
    expected = [source @ matrix.T for matrix in judged]
    before = _error(source, judged, expected)
    best = Balance(None, before, before)
    for strength, left_alone in product(_STRENGTHS, _LEFT_ALONE):
        columns = _powers_of_two(sizes, widths, judged, strength, left_alone)
        if most is not None:
            columns = np.minimum(columns, most)
        after = _error(source / columns, [matrix * columns for matrix in judged], expected)
        if after < best.after:
            best = Balance(columns, before, after)
    return best


def _largest_of_channels(source: FloatArray) -> FloatArray:
    """[K]: the largest magnitude of each channel, every token taken to have the same size.

    Of some tokens all channels are large; as each has a scale of its own, they must not decide alone. A token's size is
    the geometric mean of its channels, which a few very large ones hardly change.
    """
    size = np.abs(source)
    logs = np.log(np.maximum(size, _TINY)).mean(axis=1, keepdims=True)
    result: FloatArray = (size / np.exp(logs)).max(axis=0)
    return result


def _tied(values: FloatArray, tied: tuple[int, int]) -> FloatArray:
    """The largest over the heads that share their factors, for each of them."""
    groups = values.reshape(*tied, -1)
    result: FloatArray = np.broadcast_to(groups.max(axis=1, keepdims=True), groups.shape).reshape(-1)
    return result


def _powers_of_two(
    sizes: FloatArray, widths: FloatArray, matrices: Sequence[FloatArray], strength: float, left_alone: int
) -> FloatArray:
    """The factors, scaled so that the rows of the matrices keep their ranges on the whole.

    Their scales are stored as float16, which is no place for very small numbers.
    """
    usable = (sizes > _TINY) & (widths > _TINY)
    logs = strength * np.log2(np.where(usable, sizes, 1)) - (1 - strength) * np.log2(
        np.where(usable, widths, 1)
    )
    usual = np.median(logs[usable]) if usable.any() else 0
    logs = np.rint(np.where(usable, logs - usual, 0))  # from there, most are rounded alike
    logs = np.where(np.abs(logs) > left_alone, logs, 0)
    columns = np.exp2(logs)
    grown = np.concatenate(
        [np.log2(_ranges(matrix * columns) / _ranges(matrix)).reshape(-1) for matrix in matrices]
    )
    result: FloatArray = np.exp2(logs - np.rint(np.median(grown))).astype(np.float32)
    return result


def _ranges(matrix: FloatArray) -> FloatArray:
    result: FloatArray = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), _TINY)
    return result


def _error(source: FloatArray, matrices: Sequence[FloatArray], expected: Sequence[FloatArray]) -> float:
    """How far the products are off, relative, a token's on average, each row of a matrix counting alike.

    A folder serves two kinds of arithmetic, so it is the mean of two errors: with the rows of the matrices rounded, and
    with those of both sides.
    """
    both = source, _rounded(source)
    errors = []
    for matrix, exact in zip(matrices, expected, strict=True):
        usual = np.maximum(np.sqrt(np.mean(exact * exact, axis=0)), _TINY)
        size = np.maximum(np.linalg.norm(exact / usual, axis=1), _TINY)
        rounded = _rounded(matrix).T
        errors += [np.mean(np.linalg.norm((side @ rounded - exact) / usual, axis=1) / size) for side in both]
    return float(np.mean(errors))


def _rounded(rows: FloatArray) -> FloatArray:
    """Every row to 255 levels between plus and minus its largest magnitude."""
    step = _ranges(rows) / _LEVELS
    result: FloatArray = np.rint(rows / step) * step
    return result
