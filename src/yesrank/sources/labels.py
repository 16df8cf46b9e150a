"""The head of a classifier with one label, as the two rows that every head has here."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from yesrank.sources.base import Tensor, Tensors


class WithoutNo:
    """Tensors (see base.py) in which the matrix `name` [1, D] has a row of zeros, for the answer no, before its own.

    One label says the difference of two: less nothing, it is itself.
    """

    def __init__(self, tensors: Tensors, name: str) -> None:
        self._tensors, self._name = tensors, name

    @property
    def files(self) -> tuple[Path, ...]:
        """See Tensors.files."""
        return self._tensors.files

    def names(self) -> Collection[str]:
        """See Tensors.names."""
        return self._tensors.names()

    def shape(self, name: str) -> tuple[int, ...]:
        """See Tensors.shape."""
        shape = self._tensors.shape(name)
        return (2, *shape[1:]) if name == self._name else shape

    def dtype(self, name: str) -> str:
        """See Tensors.dtype."""
        return self._tensors.dtype(name)

    def tensor(self, name: str) -> Tensor:
        """See Tensors.tensor."""
        tensor = self._tensors.tensor(name)
        return np.concatenate([np.zeros_like(tensor), tensor]) if name == self._name else tensor

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """See Tensors.rows."""
        return self.tensor(name)[start:stop] if name == self._name else self._tensors.rows(name, start, stop)

    def release(self) -> None:
        """See Tensors.release."""
        self._tensors.release()
