"""A model as it takes part in an evaluation: how to open it, and all that its scores depend on."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from yesrank.manifest import FILE, sha256
from yesrank.models.engines import engine_for
from yesrank.models.folder import ModelFolder, open_model
from yesrank.models.reranker import Reranker
from yesrank.prompt import DEFAULT_INSTRUCTION
from yesrank.store import Entry
from yesrank.types import EngineInfo, PairScores

# what numbers depend on, in a folder without a manifest
_WEIGHING = (".bin", ".xml", ".safetensors", ".onnx", ".json", ".jinja")


class Scorer(Protocol):
    """What is needed of a Reranker."""

    @property
    def info(self) -> EngineInfo:
        """What is really running."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> PairScores:
        """(query, document) pairs, scored in the order given."""

    def close(self) -> None:
        """Frees the weights."""


@dataclass(frozen=True, slots=True)
class Contender:
    """label: its name in the tables. settings: what its scores depend on, besides what the engine says of itself."""

    label: str
    settings: Mapping[str, object]
    open: Callable[[], Scorer]


def contender(entry: Entry, label: str) -> Contender:
    """A stored name or a folder as a contender. Reads the whole folder where it has no manifest. Raises ModelError."""
    folder = open_model(entry.path)

    def opened() -> Reranker:
        return Reranker(
            entry.path,
            device=entry.device,
            precision=entry.precision,
            engine=entry.engine,
            variant=entry.variant,
            instruction=entry.instruction,
            template=entry.template,
            max_length=entry.max_length,
        )

    settings = {
        "model": folder_hash(folder.path),
        "device": entry.device,
        "precision": entry.precision,
        **_chosen(entry),
        "template": entry.template or folder.template.name,
        "instruction": DEFAULT_INSTRUCTION if entry.instruction is None else entry.instruction,
        "max_length": entry.max_length or folder.max_length,
        # another version may compute other logits, and a gate must see that
        "versions": {name: version(name) for name in ("yesrank", _package(entry, folder))},
    }
    return Contender(label, settings, opened)


def _chosen(entry: Entry) -> dict[str, str]:
    """Engine and variant where they are named: without, settings are what they were before there was a choice."""
    named = {"chosen_engine": entry.engine, "variant": entry.variant}
    return {key: value for key, value in named.items() if value is not None}


def _package(entry: Entry, folder: ModelFolder) -> str:
    return {"onnx": "onnxruntime"}.get(entry.engine or engine_for(folder, entry.variant), "openvino")


def folder_hash(folder: Path) -> str:
    """SHA-256 of the manifest, which holds the hashes of all files; without one, of the files themselves."""
    manifest = folder / FILE
    if manifest.is_file():
        return sha256(manifest)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        # external weights are model.onnx_data, model.onnx_data_1 or model.onnx.data
        if (path.suffix in _WEIGHING or ".onnx" in path.name) and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()
