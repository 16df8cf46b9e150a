"""The seam between files of tensors and the checkpoint that is made of them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

Tensor = npt.NDArray[Any]
FLOATS = ("BF16", "F16", "F32")
"""Names of the types in which tensors are handed out, as in safetensors' headers."""


class Tensors(Protocol):
    """Named tensors on disk. Reading one costs its own size and nothing more; opening reads headers only.

    Every method raises CheckpointError for a file that is cut short, corrupt or missing.
    """

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read."""

    def names(self) -> Collection[str]:
        """Names of all tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape as it is read, matrices [out, in]."""

    def dtype(self, name: str) -> str:
        """The type, as safetensors' headers name it; one of FLOATS where it can be used as it is."""

    def tensor(self, name: str) -> Tensor:
        """A whole tensor in its own type: bfloat16, float16 or float32."""

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows start to stop. May be called from several threads."""

    def release(self) -> None:
        """Unmaps the files, whose pages count as this process's memory; the next read maps them again."""
