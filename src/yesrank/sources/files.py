"""Safetensors files: the plain kind of tensors."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes  # registers bfloat16 with numpy, which safetensors looks up by name
import numpy as np
from safetensors import SafetensorError, safe_open

from yesrank.errors import CheckpointError
from yesrank.filekinds import in_place_of
from yesrank.sources.base import Tensor

_AGAIN = "download the file again"


class SafetensorsFiles:
    """Tensors (see base.py) of one or several safetensors files of a folder, by the names that stand in them."""

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        """Raises CheckpointError, also for a name that stands in two files."""
        self._folder = folder
        self._opened: dict[str, Any] = {}
        self._file: dict[str, str] = {}
        for file in files:
            for name in self._open(file).keys():  # noqa: SIM118  no dict
                if name in self._file:
                    raise CheckpointError(
                        f"{name} is in {self._file[name]} and in {file}", "save the checkpoint anew"
                    )
                self._file[name] = file
        self._used = tuple(dict.fromkeys(self._file.values()))

    @property
    def files(self) -> tuple[Path, ...]:
        """See Tensors.files."""
        return tuple(self._folder / name for name in self._used)

    def names(self) -> Collection[str]:
        """See Tensors.names."""
        return self._file.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """See Tensors.shape."""
        return tuple(self.part(name).get_shape())

    def dtype(self, name: str) -> str:
        """See Tensors.dtype."""
        return str(self.part(name).get_dtype())

    def tensor(self, name: str) -> Tensor:
        """See Tensors.tensor."""
        file = self._file[name]
        try:
            array: Tensor = self._open(file).get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self._folder / file}: {name} cannot be read: {error}", _AGAIN) from error
        return array

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """See Tensors.rows."""
        try:
            block: Tensor = self.part(name)[start:stop]
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self._folder}: {name} cannot be read: {error}", _AGAIN) from error
        return block

    def part(self, name: str) -> Any:
        """safetensors' own slice of a tensor, for reading other parts than rows."""
        return self._open(self._file[name]).get_slice(name)

    def float8(self, name: str) -> Tensor:
        """A tensor of float8_e4m3fn, mapped: safetensors hands none out without PyTorch."""
        path = self._folder / self._file[name]
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        begin, end = header[name]["data_offsets"]
        raw = np.memmap(path, np.uint8, "r", 8 + length + begin, (end - begin,))
        values: Tensor = np.asarray(raw).view(ml_dtypes.float8_e4m3fn).reshape(header[name]["shape"])
        return values

    def release(self) -> None:
        """See Tensors.release."""
        self._opened.clear()

    def _open(self, file: str) -> Any:
        if file not in self._opened:
            path = self._folder / file
            try:
                self._opened[file] = safe_open(path, framework="np")
            except FileNotFoundError:
                raise CheckpointError(f"{path} is missing", f"download {file} into {self._folder}") from None
            except (SafetensorError, OSError) as error:
                if found := in_place_of(path):
                    raise CheckpointError(f"{path} is {found[0]}", found[1]) from error
                raise CheckpointError(f"{path} is truncated or corrupt: {error}", _AGAIN) from error
        return self._opened[file]
