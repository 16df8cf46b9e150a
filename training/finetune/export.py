"""The trained weights as a Hugging Face folder: the source's files, with the trained tensors put in their places."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from yesrank.checkpoint import Checkpoint

_COPIED = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "model.safetensors.index.json",
)
_LEGAL = ("LICENSE", "NOTICE")


def needed_bytes(source: Path) -> int:
    """How much `write` writes, with a margin."""
    return sum(path.stat().st_size for path in Checkpoint(source).files) + (64 << 20)


def write(source: Path, target: Path, trained: Mapping[str, Callable[[], Tensor]]) -> None:
    """Writes into the folder `target`: same files, names and dtypes as `source`; what was not trained is unchanged.

    trained: float32 values by full name. One file's tensors are in memory at a time.
    """
    for path in source.iterdir():
        if path.is_file() and (path.name in _COPIED or path.name.upper().startswith(_LEGAL)):
            shutil.copyfile(path, target / path.name)
    for path in Checkpoint(source).files:
        _write_file(path, target / path.name, trained)


def _write_file(source: Path, target: Path, trained: Mapping[str, Callable[[], Tensor]]) -> None:
    tensors = {}
    with safe_open(source, framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118  it is no dictionary
            tensor = stored.get_tensor(name)
            value = trained.get(name) or trained.get(f"model.{name}")  # bare decoders leave the prefix out
            # cloned: what shares memory with another tensor cannot be saved
            tensors[name] = tensor if value is None else value().to("cpu", tensor.dtype).clone().contiguous()
    save_file(tensors, target, metadata={"format": "pt"})
    target.chmod((target.parent / "config.json").stat().st_mode)  # safetensors lets nobody else read it
