"""A published checkpoint on disk: one or several safetensors files, read one tensor at a time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  registers bfloat16 with numpy, which safetensors looks up by name
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from yesrank import qwen3
from yesrank.errors import CheckpointError, ModelNotFound, UnsupportedModel
from yesrank.filekinds import in_place_of
from yesrank.qwen3 import Qwen3Config
from yesrank.types import FloatArray

Tensor = npt.NDArray[Any]

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_DTYPES = ("BF16", "F16", "F32")
_QUANTISED = (".qweight", ".qzeros", ".weight_packed")  # of GPTQ, AWQ and compressed-tensors
_AGAIN = "download the file again"


class Checkpoint:
    """The tensors of a Qwen3 checkpoint by their transformers names.

    Opening reads headers only and checks every name, shape and dtype, and that no file is cut short. Tensors
    are memory-mapped: reading one costs its own size and nothing more. Checkpoints saved from the bare
    decoder (no "model." before the names, as Qwen3-Embedding publishes) read the same.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelNotFound, UnsupportedModel or CheckpointError, each saying what to do."""
        self.folder = folder
        _refuse_what_is_no_checkpoint(folder)
        self.config = Qwen3Config.from_folder(folder)
        self._files: dict[str, Any] = {}
        self._place = self._locate()
        self._check_shapes()

    @property
    def files(self) -> tuple[Path, ...]:
        """The safetensors files, in the order in which they are first needed."""
        return tuple(self.folder / name for name in dict.fromkeys(file for file, _ in self._place.values()))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, from the header."""
        return tuple(self._slice(name).get_shape())

    def tensor(self, name: str) -> Tensor:
        """A tensor in the checkpoint's own dtype (bfloat16, float16 or float32)."""
        file, stored = self._place[name]
        try:
            array: Tensor = self._open(file).get_tensor(stored)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self.folder / file}: {name} cannot be read: {error}", _AGAIN) from error
        return array

    def float32(self, name: str) -> FloatArray:
        """A tensor widened to float32. Raises CheckpointError where it holds NaN or infinity."""
        array: FloatArray = self.tensor(name).astype(np.float32)
        if not np.isfinite(array).all():
            raise CheckpointError(f"{name} holds NaN or infinity: the file is corrupt", _AGAIN)
        return array

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows start to stop of a tensor in the checkpoint's own dtype. May be called from several threads."""
        try:
            block: Tensor = self._slice(name)[start:stop]
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self.folder}: {name} cannot be read: {error}", _AGAIN) from error
        return block

    def release(self) -> None:
        """Unmaps the files, whose pages count as this process's memory; the next read maps them again."""
        self._files.clear()

    def output_rows(self, ids: list[int]) -> FloatArray:
        """Rows of the output embedding: float32 [len(ids), D]."""
        rows = self._slice(qwen3.head_tensor(self.config))
        return np.concatenate([rows[i : i + 1].astype(np.float32) for i in ids])

    def _slice(self, name: str) -> Any:
        file, stored = self._place[name]
        return self._open(file).get_slice(stored)

    def _open(self, file: str) -> Any:
        if file not in self._files:
            path = self.folder / file
            try:
                self._files[file] = safe_open(path, framework="np")
            except FileNotFoundError:
                raise CheckpointError(f"{path} is missing", f"download {file} into {self.folder}") from None
            except (SafetensorError, OSError) as error:
                if found := in_place_of(path):
                    raise CheckpointError(f"{path} is {found[0]}", found[1]) from error
                raise CheckpointError(f"{path} is truncated or corrupt: {error}", _AGAIN) from error
        return self._files[file]

    def _locate(self) -> dict[str, tuple[str, str]]:
        """Full tensor name -> (file, name in that file)."""
        index = self.folder / _INDEX
        if index.exists():
            stored: Mapping[str, str] = _read_index(index)
        else:
            stored = dict.fromkeys(self._open(_SINGLE).keys(), _SINGLE)
        bare = "embed_tokens.weight" in stored
        return {
            (f"model.{name}" if bare and name != qwen3.HEAD else name): (file, name)
            for name, file in stored.items()
        }

    def _check_shapes(self) -> None:
        expected = qwen3.tensors(self.config)
        missing = [name for name in expected if name not in self._place]
        if missing and any(name.endswith(_QUANTISED) for name in self._place):
            raise qwen3.quantised_already()
        if missing:
            raise CheckpointError(
                f"{len(missing)} tensors are missing, the first is {missing[0]}",
                "download the checkpoint again; a sharded one needs every model-0000N-of-0000M.safetensors",
            )
        for name, shape in expected.items():
            if self.shape(name) != shape:
                raise CheckpointError(
                    f"{name} has shape {list(self.shape(name))}, config.json calls for {list(shape)}",
                    "config.json and weights are of different models: download both again",
                )
            dtype = self._slice(name).get_dtype()
            if dtype not in _DTYPES:
                raise qwen3.quantised_already(dtype)


def _read_index(path: Path) -> dict[str, str]:
    try:
        weights = json.loads(path.read_bytes())["weight_map"]
        return {str(name): str(file) for name, file in weights.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        if found := in_place_of(path):
            raise CheckpointError(f"{path} is {found[0]}", found[1]) from error
        raise CheckpointError(f"{path} cannot be read: {error}", _AGAIN) from error


def _refuse_what_is_no_checkpoint(folder: Path) -> None:
    if folder.suffix == ".gguf" or (
        folder.is_dir() and not _has_weights(folder) and any(folder.glob("*.gguf"))
    ):
        raise UnsupportedModel(
            f"{folder} is a GGUF model", "download the original safetensors checkpoint instead"
        )
    if not folder.is_dir():
        raise ModelNotFound(
            f"there is no folder {folder}", "download the checkpoint, for example with: hf download"
        )
    if (folder / "adapter_config.json").exists():
        raise UnsupportedModel(
            f"{folder} is a LoRA adapter, not a whole model",
            "merge it into its base first (peft: merge_and_unload, then save_pretrained)",
        )
    if not _has_weights(folder):
        raise CheckpointError(
            f"{folder} has neither {_SINGLE} nor {_INDEX}",
            "download the checkpoint's safetensors files; pytorch_model.bin is not read",
        )


def _has_weights(folder: Path) -> bool:
    return (folder / _SINGLE).exists() or (folder / _INDEX).exists()
