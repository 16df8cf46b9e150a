"""A published checkpoint on disk: one or several safetensors files, read one tensor at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  registers bfloat16 with numpy, which safetensors looks up by name
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from yesrank import qwen3, rope
from yesrank.errors import CheckpointError
from yesrank.filekinds import in_place_of
from yesrank.qwen3 import Qwen3Config
from yesrank.tensorplaces import INDEX, SINGLE, full_names, refuse_what_is_no_checkpoint, weight_files
from yesrank.types import FloatArray

Tensor = npt.NDArray[Any]

_DTYPES = ("BF16", "F16", "F32")
_QUANTISED = (".qweight", ".qzeros", ".weight_packed")  # of GPTQ, AWQ and compressed-tensors
_AGAIN = "download the file again"
_ROWS = 4096  # of two matrices that are compared, at a time


class Checkpoint:
    """The tensors of a Qwen3 checkpoint by their transformers names.

    Opening reads headers only and checks every name, shape and dtype, and that no file is cut short. Tensors
    are memory-mapped: reading one costs its own size and nothing more. Which files and names count: see tensorplaces.
    Where config.json ties the output embedding to the input's and both are there, they are compared, and are not tied
    where they differ: `config` says what holds. notes: what is not as it seems, for a person to read.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelNotFound, UnsupportedModel or CheckpointError, each saying what to do."""
        self.folder = folder
        refuse_what_is_no_checkpoint(folder)
        self.config = Qwen3Config.from_folder(folder)
        forgotten = rope.forgotten_theta(qwen3.read_config(folder))
        self.notes: tuple[str, ...] = (forgotten,) if forgotten else ()
        self._files: dict[str, Any] = {}
        self._place = self._locate()
        self._check_shapes()
        self._settle_head()

    @property
    def is_bare(self) -> bool:
        """Whether it was saved from the decoder alone, as embedding models are: without an output embedding."""
        stored = self._place[qwen3.EMBEDDING][1]
        return not stored.endswith((qwen3.EMBEDDING, qwen3.HEAD)) and qwen3.HEAD not in self._place

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
        stored: dict[str, str] = {}
        for file in weight_files(self.folder):
            for name in self._open(file).keys():  # noqa: SIM118  no dict
                if name in stored:
                    raise CheckpointError(
                        f"{name} is in {stored[name]} and in {file}", "save the checkpoint anew"
                    )
                stored[name] = file
        if SINGLE in stored.values() and (self.folder / INDEX).exists():
            self._note(f"{INDEX} is left over from another save: {SINGLE} goes first, as in transformers")
        names = full_names(stored, {*qwen3.tensors(self.config), qwen3.HEAD})
        place = {full: (stored[name], name) for full, name in names.items()}
        if self.config.tie_word_embeddings and qwen3.HEAD in place:
            place.setdefault(qwen3.EMBEDDING, place[qwen3.HEAD])  # of two that are one, one is stored
        return place

    def _settle_head(self) -> None:
        """Keeps the two embeddings tied only where they are the same."""
        place = self._place
        if not self.config.tie_word_embeddings or place.get(qwen3.HEAD) in (None, place[qwen3.EMBEDDING]):
            return
        if self.shape(qwen3.HEAD) == self.shape(qwen3.EMBEDDING) and self._equal(qwen3.HEAD, qwen3.EMBEDDING):
            return
        self.config = replace(self.config, tie_word_embeddings=False)
        self._check_shapes()
        self._note(
            "config.json ties lm_head to the embedding, but another lm_head is there: that one is used"
        )

    def _equal(self, one: str, other: str) -> bool:
        count = self.shape(one)[0]
        parts = ((start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
        return all(np.array_equal(self.rows(one, *part), self.rows(other, *part)) for part in parts)

    def _note(self, text: str) -> None:
        self.notes = (*self.notes, text)

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
