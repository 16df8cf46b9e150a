"""A Qwen3-Reranker as mteb (2.26 or later) wants to see one: CrossEncoderProtocol."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from yesrank.errors import MissingExtra
from yesrank.evaluate.contender import decided_by_running
from yesrank.evaluate.mteb_scores import kept_logits
from yesrank.evaluate.scorestore import ScoreStore
from yesrank.manifest import Manifest
from yesrank.models.folder import open_model
from yesrank.models.reranker import Reranker
from yesrank.types import FloatArray

if TYPE_CHECKING:
    from mteb.models import ModelMeta

TEMPLATE, MAX_LENGTH = "chat", 8192
"""Those of the official scorer (evaluation/qwen3_reranker_model.py of the Qwen3-Embedding repository)."""

Instructions = str | Mapping[str, str]


def require_mteb() -> ModuleType:
    """The package mteb, imported when it is needed: it takes seconds. Raises MissingExtra."""
    try:
        import mteb
    except ImportError as error:
        raise MissingExtra("mteb", "mteb") from error
    module: ModuleType = mteb
    return module


@cache
def published() -> dict[str, Any]:
    """The published figures and instructions, with their sources (published.json)."""
    data: dict[str, Any] = json.loads((files("yesrank.evaluate") / "published.json").read_text("utf-8"))
    return data


def task_instruction(metadata: Any, own: Instructions | None = None) -> str:
    """The instruction for a task of mteb.

    own: one for every task, or some by task name. Then comes the table of the official evaluation, then the
    prompt that the task itself states, then the official default. Of a {query, passage} pair, the query's is
    meant: a reranker reads one instruction.
    """
    if isinstance(own, str):
        return own
    table = published()["instructions"]
    for found in ((own or {}).get(metadata.name), table["tasks"].get(metadata.name), metadata.prompt):
        text = found.get("query") if isinstance(found, Mapping) else found
        if text:
            return str(text)
    return str(table["default"])


class MtebReranker:
    """Gives a Reranker to mteb.evaluate(), as a cross-encoder that answers with float32 logits.

    Logits, not probabilities: many of the latter are equal to 1 in float32, and pytrec_eval breaks ties by document id.

    instructions: see task_instruction. name: in mteb's results, "organisation/model"; else the manifest's.
    details: more facts that distinguish this run from others of the same model in mteb's result store. store: where
    scores are kept as they are computed.
    """

    def __init__(
        self,
        reranker: Reranker,
        *,
        instructions: Instructions | None = None,
        name: str | None = None,
        details: Mapping[str, str] | None = None,
        store: ScoreStore | None = None,
    ) -> None:
        self.reranker = reranker
        self.instructions = instructions
        self._name = name
        self._details = dict(details or {})
        self._store = store

    @classmethod
    def open(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "CPU",
        precision: str = "auto",
        engine: str | None = None,
        variant: str | None = None,
        template: str | None = None,
        max_length: int | None = None,
        instructions: Instructions | None = None,
    ) -> Self:
        """A model folder (None: the built-in model) with the settings of the official scorer where none are given.

        Raises ModelError, InputError or EngineError.
        """
        length = max_length or min(MAX_LENGTH, open_model(model).limit)
        reranker = Reranker(
            model,
            device=device,
            precision=precision,
            engine=engine,
            variant=variant,
            template=template or TEMPLATE,
            max_length=length,
        )
        return cls(reranker, instructions=instructions)

    def in_run(self, store: ScoreStore, **details: str) -> Self:
        """The same model, that keeps its scores and is marked with more facts about the run."""
        return type(self)(
            self.reranker,
            instructions=self.instructions,
            name=self._name,
            details={**self._details, **details},
            store=store,
        )

    def predict(
        self,
        inputs1: Iterable[Mapping[str, Any]],
        inputs2: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: object = None,
        show_progress_bar: bool = True,
        **_ignored: Any,
    ) -> FloatArray:
        """Logits, float32 [N], of the N pairs that the two loaders yield side by side.

        A query's batch["text"] is all of it: where queries have instructions of their own, mteb has already put
        them behind the query, so that batch["instruction"] is not read. The engine makes its own batches; a
        batch_size of mteb only sets how texts arrive. Raises InputError or EngineError.
        """
        pairs = list(zip(_texts(inputs1), _texts(inputs2), strict=True))
        instruction = task_instruction(task_metadata, self.instructions)
        if self._store is not None:
            return kept_logits(self.reranker, pairs, instruction, self._store, progress=show_progress_bar)
        found = self.reranker.score(pairs, instruction=instruction, progress=show_progress_bar, as_text=True)
        return found.logits

    @cached_property
    def mteb_model_meta(self) -> "ModelMeta":
        """What mteb notes about the model: name and revision from the manifest, precision as it really runs."""
        require_mteb()
        from mteb.models import ModelMeta

        folder, info = self.reranker.folder, self.reranker.info
        facts: dict[str, Any] = {
            "name": self._name or f"yesrank/{_short_name(folder.manifest, folder.path)}",
            "revision": _revision(self.reranker),
            "max_tokens": folder.limit,
            "embed_dim": info.hidden_size,
            "memory_usage_mb": round(info.weights_bytes / 2**20, 1),
            "adapted_from": folder.manifest.source if folder.manifest else None,
            "use_instructions": True,
            "model_type": ["cross-encoder"],
            "modalities": ["text"],
            "experiment_kwargs": {
                "precision": info.precision,
                "template": self.reranker.template.name,
                "max_length": str(self.reranker.max_length),
                # another version may compute other logits; its results are not to be taken for this one's
                "yesrank": version("yesrank"),
                **self._details,
                **self._instruction_mark(),
            },
        }
        return ModelMeta.create_empty(facts)

    def _instruction_mark(self) -> dict[str, str]:
        if self.instructions is None:
            return {}
        own = self.instructions if isinstance(self.instructions, str) else dict(self.instructions)
        return {"instructions": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:12]}


def source_name(reranker: Reranker) -> str:
    """The checkpoint's own name, without its organisation: Qwen3-Reranker-0.6B."""
    folder = reranker.folder
    return (folder.manifest.source if folder.manifest else folder.path.name).rstrip("/").rsplit("/", 1)[-1]


def _texts(loader: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for batch in loader:
        yield from batch["text"]


def _short_name(manifest: Manifest | None, path: Path) -> str:
    if manifest is None:
        return path.name
    return f"{manifest.source.rstrip('/').rsplit('/', 1)[-1]}-{manifest.weights}"


def _revision(reranker: Reranker) -> str:
    """The checkpoint's commit; where it is not known, a hash of the weights, so that results are never mixed up."""
    manifest = reranker.folder.manifest
    if manifest is not None and manifest.revision:
        return manifest.revision
    if manifest is not None and manifest.source_files:
        return hashlib.sha256("".join(sorted(manifest.source_files.values())).encode()).hexdigest()[:12]
    return str(decided_by_running(reranker)["model"])[:12]
