"""A checkpoint whose rows and columns are multiplied by numbers that cancel out: the same function, other tensors.

The numbers are powers of two, so every product stays exact in bf16 and float32, and float32 arithmetic gives the same
bits as before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from yesrank.checkpoint import Checkpoint
from yesrank.sources.base import Tensor
from yesrank.types import FloatArray


@dataclass(frozen=True, slots=True)
class Factors:
    """By the full name of a tensor: what its rows [O] (or a norm's elements) and its columns [I] are multiplied by.

    Whoever makes them sees to it that they cancel out.
    """

    rows: Mapping[str, FloatArray] = field(default_factory=dict)
    columns: Mapping[str, FloatArray] = field(default_factory=dict)


Smooth = Callable[[Checkpoint], Factors]
"""Finds factors for a checkpoint: yesrank.smooth has one."""


class Folded(Checkpoint):
    """A Checkpoint whose tensors come with the factors in them, those that have some in float32."""

    def __init__(self, checkpoint: Checkpoint, factors: Factors) -> None:
        self.__dict__.update(
            checkpoint.__dict__
        )  # the same open files: how they were opened is not known here
        self._factors = factors

    def tensor(self, name: str) -> Tensor:
        """See Checkpoint.tensor."""
        return self._multiplied(name, super().tensor(name), 0)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """See Checkpoint.rows."""
        return self._multiplied(name, super().rows(name, start, stop), start)

    def _multiplied(self, name: str, block: Tensor, start: int) -> Tensor:
        rows, columns = self._factors.rows.get(name), self._factors.columns.get(name)
        if rows is None and columns is None:
            return block
        wide = block.astype(np.float32)
        if rows is not None:
            wide *= rows[start : start + len(block)].reshape(-1, *[1] * (block.ndim - 1))
        if columns is not None:
            wide *= columns
        return wide
