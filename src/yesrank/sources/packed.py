"""Safetensors files whose matrices another program has quantised: read as the float32 matrices that they stand for."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from yesrank.errors import CheckpointError
from yesrank.sources.base import Tensor
from yesrank.sources.files import SafetensorsFiles
from yesrank.types import FloatArray


class Scheme(Protocol):
    """How one program stores a matrix in several tensors, `module` + suffix."""

    @property
    def suffixes(self) -> Collection[str]:
        """Of the tensors that belong to it."""

    def holds(self, files: SafetensorsFiles, module: str) -> bool:
        """Whether a module is quantised: some are left as they were."""

    def shape(self, files: SafetensorsFiles, module: str) -> tuple[int, int]:
        """[out, in] of the matrix."""

    def rows(self, files: SafetensorsFiles, module: str, start: int, stop: int) -> FloatArray:
        """Rows of the matrix: float32 [stop - start, in]."""


class Dequantised:
    """Tensors (see base.py) in which each quantised matrix stands under `module`.weight, in float32."""

    def __init__(self, files: SafetensorsFiles, scheme: Scheme) -> None:
        self._files, self._scheme = files, scheme
        parts = {
            name: name.rpartition(".")[0] for name in files.names() if name.endswith((*scheme.suffixes,))
        }
        self._modules = {module for module in parts.values() if scheme.holds(files, module)}
        hidden = {name for name, module in parts.items() if module in self._modules}
        self._names = [name for name in files.names() if name not in hidden] + [
            f"{module}.weight" for module in self._modules
        ]

    @property
    def files(self) -> tuple[Path, ...]:
        """See Tensors.files."""
        return self._files.files

    @property
    def modules(self) -> Collection[str]:
        """Names of the modules whose matrices are quantised."""
        return self._modules

    def names(self) -> Collection[str]:
        """See Tensors.names."""
        return self._names

    def shape(self, name: str) -> tuple[int, ...]:
        """See Tensors.shape."""
        module = self._module(name)
        return self._files.shape(name) if module is None else self._scheme.shape(self._files, module)

    def dtype(self, name: str) -> str:
        """See Tensors.dtype."""
        return self._files.dtype(name) if self._module(name) is None else "F32"

    def tensor(self, name: str) -> Tensor:
        """See Tensors.tensor."""
        if self._module(name) is None:
            return self._files.tensor(name)
        return self.rows(name, 0, self.shape(name)[0])

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """See Tensors.rows."""
        module = self._module(name)
        if module is None:
            return self._files.rows(name, start, stop)
        try:
            return self._scheme.rows(self._files, module, start, min(stop, self.shape(name)[0]))
        except (ValueError, IndexError, KeyError) as error:
            raise CheckpointError(
                f"{name} cannot be put together: {error}", "download the checkpoint again"
            ) from error

    def release(self) -> None:
        """See Tensors.release."""
        self._files.release()

    def _module(self, name: str) -> str | None:
        module = name.removesuffix(".weight")
        return module if module in self._modules and name.endswith(".weight") else None


def unpacked(words: Tensor, bits: int) -> Tensor:
    """uint8 [R, words x 32 / bits] of uint32 or int32 [R, words]: the lowest bits first, across words where bits divide
    no word.
    """
    octets = np.ascontiguousarray(words).view(np.uint8)
    if bits == 8:
        return octets
    if bits in (2, 4):
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        return ((octets[..., None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(len(words), -1)
    single = np.unpackbits(octets, axis=-1, bitorder="little").reshape(len(words), -1, bits)
    return single @ (1 << np.arange(bits)).astype(np.uint8)


def config_at(folder: Path) -> Mapping[str, Any]:
    """The content of config.json where it can be read, else nothing: whoever needs it says what is wrong with it."""
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
