"""A LoRA adapter, merged into a checkpoint's matrices as they are read: W + scale x B A, in float32.

Sources: `LoraLayer` of peft 0.21, with which tests/parity compares it. What changes more than that is refused.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yesrank.errors import CheckpointError, ModelNotFound, UnsupportedModel
from yesrank.sources.base import Tensor, Tensors
from yesrank.sources.files import SafetensorsFiles
from yesrank.tensorplaces import ADAPTER
from yesrank.types import FloatArray

_WEIGHTS = "adapter_model.safetensors"
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_PREFIX = "base_model.model."
_MERGE = "merge it with peft instead: merge_and_unload, then save_pretrained"
# keys of adapter_config.json that change what is computed, and the values with which nothing more is
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False, None),
    "use_qalora": (False, None),
    "lora_bias": (False, None),
    "fan_in_fan_out": (False, None),
    "layer_replication": (None, []),
    "trainable_token_indices": (None, []),
    "alora_invocation_tokens": (None, []),
    "target_parameters": (None, []),
    "arrow_config": (None,),
    "init_lora_weights": (
        True,
        False,
        None,
        "gaussian",
        "eva",
        "orthogonal",
    ),  # others change the base as well
}


@dataclass(frozen=True, slots=True)
class _Change:
    up: FloatArray
    down: FloatArray
    scale: float


class Adapter:
    """The content of a folder that peft's save_pretrained wrote. base: the model that it says it was trained on."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelNotFound, CheckpointError, or UnsupportedModel for what is more than W + scale x B A."""
        self._folder = folder
        config = _settings(folder)
        for key, plain in _PLAIN.items():
            if key in config and config[key] not in plain:
                raise UnsupportedModel(
                    f"{folder}: {key} is {config[key]!r}, which is not merged here", _MERGE
                )
        self.base: str | None = config.get("base_model_name_or_path")
        self._tensors = SafetensorsFiles(folder, [_WEIGHTS])
        self.changes: dict[str, _Change] = {}
        self.whole: dict[str, Tensor] = {}
        for name in self._tensors.names():
            plain_name = name.removeprefix(_PREFIX)
            if plain_name.endswith(_UP):
                module = plain_name.removesuffix(_UP)
                self.changes[f"{module}.weight"] = self._change(name.removesuffix(_UP), module, config)
            elif not plain_name.endswith(_DOWN):
                if ".lora_" in plain_name:
                    raise UnsupportedModel(f"{folder} holds {name}, which is not merged here", _MERGE)
                self.whole[plain_name] = self._tensors.tensor(name)

    @property
    def file(self) -> Path:
        """Its safetensors file."""
        return self._folder / _WEIGHTS

    def _change(self, stored: str, module: str, config: Mapping[str, Any]) -> _Change:
        up, down = (self._tensors.tensor(stored + part).astype(np.float32) for part in (_UP, _DOWN))
        rank = _matching(config.get("rank_pattern"), module, config.get("r"))
        alpha = _matching(config.get("alpha_pattern"), module, config.get("lora_alpha"))
        if up.ndim != 2 or up.shape[1] != down.shape[0] or down.shape[0] != rank:
            raise CheckpointError(
                f"{self._folder}: {module} has rank {down.shape[0]}, {ADAPTER} says {rank}",
                "download it again",
            )
        return _Change(up, down, float(alpha) / (rank**0.5 if config.get("use_rslora") else rank))


class Merged:
    """Tensors (see base.py) with an adapter in them. places: the adapter's name of a tensor -> the stored name."""

    def __init__(self, tensors: Tensors, adapter: Adapter, places: Mapping[str, str]) -> None:
        """Raises CheckpointError for an adapter of a model of other sizes."""
        self._tensors, self._adapter = tensors, adapter
        self._changes = {places[name]: change for name, change in adapter.changes.items()}
        self._whole = {places[name]: tensor for name, tensor in adapter.whole.items()}
        sizes = {name: (len(each.up), each.down.shape[1]) for name, each in self._changes.items()}
        sizes |= {name: each.shape for name, each in self._whole.items()}
        for name, shape in sizes.items():
            if tensors.shape(name) != shape:
                raise CheckpointError(
                    f"the adapter changes {name} as one of {list(shape)}, here it has {list(tensors.shape(name))}",
                    f"take the model that it was trained on: {adapter.base}",
                )

    @property
    def files(self) -> tuple[Path, ...]:
        """See Tensors.files."""
        return (*self._tensors.files, self._adapter.file)

    def names(self) -> Collection[str]:
        """See Tensors.names."""
        return self._tensors.names()

    def shape(self, name: str) -> tuple[int, ...]:
        """See Tensors.shape."""
        return self._tensors.shape(name)

    def dtype(self, name: str) -> str:
        """See Tensors.dtype."""
        return "F32" if name in self._changes else self._tensors.dtype(name)

    def tensor(self, name: str) -> Tensor:
        """See Tensors.tensor."""
        return self.rows(name, 0, self.shape(name)[0])

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """See Tensors.rows."""
        if name in self._whole:
            return self._whole[name][start:stop]
        block = self._tensors.rows(name, start, stop)
        if (change := self._changes.get(name)) is None:
            return block
        merged: FloatArray = block.astype(np.float32) + change.scale * (change.up[start:stop] @ change.down)
        return merged

    def release(self) -> None:
        """See Tensors.release."""
        self._tensors.release()


def _settings(folder: Path) -> Mapping[str, Any]:
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}", "give the folder of a LoRA adapter")
    path = folder / ADAPTER
    if not path.is_file() or not (folder / _WEIGHTS).is_file():
        raise CheckpointError(
            f"{folder} is no LoRA adapter: it lacks {ADAPTER if not path.is_file() else _WEIGHTS}",
            "give the folder that peft's save_pretrained wrote",
        )
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", "download it again") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is not a JSON object", "download it again")
    return found


def _matching(pattern: Any, module: str, otherwise: Any) -> Any:
    """The value for a module, as peft finds it: a key is a regular expression for the end of the name."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return otherwise
