"""GGUF files, as llama.cpp runs them: tensors by their transformers names, dequantised by the package `gguf`."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from yesrank.errors import CheckpointError, MissingExtra, UnsupportedModel
from yesrank.filekinds import in_place_of
from yesrank.sources.base import Tensor

_AGAIN = "download the file again"
_ORIGINAL = (
    "take the original safetensors checkpoint instead, for example: yesrank pull Qwen/Qwen3-Reranker-0.6B"
)
_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
    "cls.output.weight": "score.weight",
}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""llama.cpp turns Qwen3's heads by halves, as transformers does: unlike Llama's, its matrices are not permuted."""
_LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.weight")
_PLAIN = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


@dataclass(frozen=True, slots=True)
class _Stored:
    kind: Any  # a gguf.GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    bytes: int


class GgufFile:
    """Tensors (see base.py) of one GGUF file. metadata: its keys and values, arrays as lists."""

    def __init__(self, path: Path) -> None:
        """Raises MissingExtra, CheckpointError for a damaged file, UnsupportedModel for what cannot be read."""
        self._path = path
        self._mapped: np.memmap[Any, Any] | None = None
        self.metadata, tensors = _read(path)
        size = path.stat().st_size
        self._stored: dict[str, _Stored] = {}
        for name, stored in tensors.items():
            if stored.offset + stored.bytes > size:
                raise CheckpointError(f"{path} is cut short: {name} ends after its end", _AGAIN)
            self._stored[_full_name(path, name)] = stored
        for kind in {stored.kind for stored in self._stored.values()}:
            _check_kind(path, kind)

    @property
    def files(self) -> tuple[Path, ...]:
        """See Tensors.files."""
        return (self._path,)

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many matrices there are of each of llama.cpp's types."""
        found: dict[str, int] = {}
        for stored in self._stored.values():
            if len(stored.shape) > 1:
                found[stored.kind.name] = found.get(stored.kind.name, 0) + 1
        return found

    def names(self) -> Collection[str]:
        """See Tensors.names."""
        return self._stored.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """See Tensors.shape."""
        return self._stored[name].shape

    def dtype(self, name: str) -> str:
        """See Tensors.dtype: F32 for what is dequantised."""
        kind = self._stored[name].kind.name
        return kind if kind in _PLAIN else "F32"

    def tensor(self, name: str) -> Tensor:
        """See Tensors.tensor."""
        return self.rows(name, 0, self._stored[name].shape[0])

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """See Tensors.rows."""
        stored = self._stored[name]
        stop = min(stop, stored.shape[0])
        row = stored.bytes // stored.shape[0]
        raw = self._map()[stored.offset + start * row : stored.offset + stop * row]
        shape = (stop - start, *stored.shape[1:])
        if (plain := _PLAIN.get(stored.kind.name)) is not None:
            exact: Tensor = np.asarray(raw).view(plain).reshape(shape)
            return exact
        from gguf.quants import dequantize

        wide: Tensor = dequantize(np.asarray(raw).reshape(stop - start, row), stored.kind)
        return wide.astype(np.float32, copy=False).reshape(shape)

    def release(self) -> None:
        """See Tensors.release."""
        self._mapped = None

    def _map(self) -> "np.memmap[Any, Any]":
        if self._mapped is None:
            self._mapped = np.memmap(self._path, np.uint8, "r")
        return self._mapped


def _read(path: Path) -> tuple[dict[str, Any], dict[str, _Stored]]:
    if find_spec("gguf") is None:
        raise MissingExtra("gguf", "gguf")
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        metadata = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {
            each.name: _Stored(
                each.tensor_type,
                tuple(int(size) for size in reversed(each.shape)),
                int(each.data_offset),
                int(each.n_bytes),
            )
            for each in reader.tensors
        }
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", _AGAIN) from None
    except Exception as error:  # the reader has no errors of its own: numpy's, of what it did not expect
        if found := in_place_of(path):
            raise CheckpointError(f"{path} is {found[0]}", found[1]) from error
        raise CheckpointError(f"{path} is cut short, or no GGUF file: {error}", _AGAIN) from error
    if int(metadata.get("split.count") or 1) > 1:
        raise UnsupportedModel(
            f"{path} is one part of {metadata['split.count']}",
            "put them together with llama.cpp: llama-gguf-split --merge FIRST_PART WHOLE",
        )
    return metadata, tensors


def _full_name(path: Path, name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    found = _LAYER.fullmatch(name)
    if found is not None and found[2] in _IN_LAYER:
        return f"model.layers.{found[1]}.{_IN_LAYER[found[2]]}.weight"
    raise UnsupportedModel(f"{path} holds a tensor {name}, which a Qwen3 model does not have", _ORIGINAL)


def _check_kind(path: Path, kind: Any) -> None:
    """Raises UnsupportedModel for a type that the package cannot dequantise."""
    if kind.name in _PLAIN:
        return
    from gguf.constants import GGML_QUANT_SIZES
    from gguf.quants import dequantize

    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
    except NotImplementedError as error:
        raise UnsupportedModel(
            f"{path} holds matrices of the type {kind.name}, which the package gguf cannot read", _ORIGINAL
        ) from error
