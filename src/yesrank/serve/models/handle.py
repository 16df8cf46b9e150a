"""A served model: what it is, where it stands, and its engine once it is loaded."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from yesrank.errors import EngineError, ModelError, ModelLoading, YesrankError
from yesrank.kinds import EMBEDDING
from yesrank.manifest import FILE
from yesrank.models.embedder import Embedder
from yesrank.models.folder import own_template_of
from yesrank.models.reranker import Reranker
from yesrank.models.windows import Windows, whole
from yesrank.prompt import Template
from yesrank.serve.watch.observe import State
from yesrank.templates import template_of
from yesrank.types import EngineInfo, FloatArray, Ids, Prompt


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that can be served. path: its folder, None for the built-in model.

    shape, kind: see store.Entry; the rest as Reranker takes it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    path: Path | None = None
    device: str = "CPU"
    precision: str = "auto"
    engine: str | None = None
    variant: str | None = None
    instruction: str | None = None
    template: str | None = None
    max_length: int | None = None
    shape: str | None = None
    kind: str | None = None

    @property
    def embeds(self) -> bool:
        """Whether it is an embedding model."""
        return self.kind == EMBEDDING


def own_template(spec: ModelSpec) -> Template | None:
    """The template of a model's own, loaded or not; None for a published one, and where the folder cannot be read."""
    try:
        if spec.template is not None:
            return template_of(spec.template)
        return own_template_of(spec.path) if spec.path is not None else None
    except YesrankError:  # which loading the model tells
        return None


class Scorer(Protocol):
    """The part of Reranker that serving needs. Safe to call from several threads."""

    @property
    def info(self) -> EngineInfo:
        """What is really running."""

    def prompts(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        max_document_tokens: int | None = None,
        max_length: int | None = None,
        max_query_tokens: int | None = None,
    ) -> list[Prompt]:
        """Text to token ids, each text as it is. Raises InputError."""

    def windows(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        max_document_tokens: int | None = None,
        max_length: int | None = None,
        max_query_tokens: int | None = None,
        most: int | None = None,
    ) -> Windows:
        """The same, with documents that are too long in windows. Raises InputError."""

    def logits(self, prompts: Sequence[Prompt]) -> FloatArray:
        """float32 [N], unchecked. Raises EngineError."""

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Engine.keep."""

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Engine.begin."""

    def close(self) -> None:
        """Frees weights and caches."""


class EmbeddingScorer:
    """An embedder in the place of a reranker: what the queue runs are its hidden states, float32 [N, D]."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder, self.folder = embedder, embedder.folder

    @classmethod
    def open(cls, spec: ModelSpec) -> Self:
        """Loads the model. Raises ModelError, InputError or EngineError."""
        assert spec.path is not None
        embedder = Embedder(
            spec.path,
            device=spec.device,
            precision=spec.precision,
            engine=spec.engine,
            variant=spec.variant,
            instruction=spec.instruction,
            max_length=spec.max_length,
            sure=True,
        )
        return cls(embedder)

    @property
    def info(self) -> EngineInfo:
        """What is really running."""
        return self.embedder.info

    def prompts(self, query: str, documents: Sequence[str], **_: object) -> list[Prompt]:
        """The documents alone: for the probe and the self-test."""
        return self.embedder.prompts(documents, self.embedder.frame_for("document"))

    def windows(self, query: str, documents: Sequence[str], **_: object) -> Windows:
        """Never asked for: texts that become vectors are not judged in parts."""
        return whole(self.prompts(query, documents))

    def logits(self, prompts: Sequence[Prompt]) -> FloatArray:
        """Hidden states, float32 [N, D], unchecked. Raises EngineError."""
        return self.embedder.hidden(prompts)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Engine.keep."""
        self.embedder.keep(prefixes, begun)

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Engine.begin."""
        return self.embedder.begin(prompt, tokens)

    def close(self) -> None:
        """Frees weights and caches."""
        self.embedder.close()


Opener = Callable[[ModelSpec], Scorer]


class RerankerOpener:
    """Loads models: seconds of work each. Raises ModelError, InputError or EngineError.

    A folder whose manifest is gone since it was last loaded is refused: nothing says any more what its files should be.
    """

    def __init__(self) -> None:
        self._with_manifest: set[str] = set()

    def __call__(self, spec: ModelSpec) -> Scorer:
        """The loaded model."""
        opened = EmbeddingScorer.open(spec) if spec.embeds else _open_reranker(spec)
        if opened.folder.manifest is not None:
            self._with_manifest.add(spec.name)
        elif spec.name in self._with_manifest:
            opened.close()
            raise ModelError(
                f"{opened.folder.path / FILE} is gone since the model was last loaded",
                "copy the folder again; where another model is meant, start the server anew",
            )
        return opened


def _open_reranker(spec: ModelSpec) -> Reranker:
    return Reranker(
        spec.path,
        device=spec.device,
        precision=spec.precision,
        engine=spec.engine,
        variant=spec.variant,
        instruction=spec.instruction,
        max_length=spec.max_length,
        template=spec.template,
    )


@dataclass(slots=True, eq=False)
class Handle:
    """A model of the pool, the same object for as long as the pool lives. Only its keeper changes it.

    probe: a fixed pair as prompts. leases: users that keep it loaded. used_at: on the loop's clock.
    unused: called when the last lease has ended. reloader: what `reload` does.
    """

    spec: ModelSpec
    unused: Callable[[], None]
    reloader: Callable[[bool], Awaitable[None]]
    state: State = State.UNLOADED
    scorer: Scorer | None = None
    probe: tuple[Prompt, ...] = ()
    leases: int = 0
    used_at: float = 0.0

    @property
    def name(self) -> str:
        """The spec's."""
        return self.spec.name

    @property
    def loaded(self) -> Scorer:
        """The scorer. Raises ModelLoading where the model was unloaded since it was got: see Pool.use."""
        if self.scorer is None:
            raise ModelLoading(f"the model {self.name} is not loaded", retry_after=1.0)
        return self.scorer

    @property
    def embedder(self) -> Embedder:
        """Of a model that embeds. Raises ModelLoading as `loaded`."""
        scorer = self.loaded
        assert isinstance(scorer, EmbeddingScorer)
        return scorer.embedder

    def logits(self, prompts: Sequence[Prompt]) -> FloatArray:
        """See Model.logits."""
        return self._running().logits(prompts)

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Model.begin."""
        return self._running().begin(prompt, tokens)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Model.keep. A model that is not loaded holds nothing."""
        scorer = self.scorer
        if scorer is not None:
            scorer.keep(prefixes, begun)

    def healthy(self) -> bool:
        """See Model.healthy."""
        try:
            return bool(np.isfinite(self.logits(self.probe)).all())
        except Exception:
            return False

    async def reload(self, *, abandoned: bool) -> None:
        """See Model.reload."""
        await self.reloader(abandoned)

    def _running(self) -> Scorer:
        scorer = self.scorer
        if scorer is None:
            raise EngineError(f"the model {self.name} is not loaded")
        return scorer

    def acquire(self) -> None:
        """Keeps the model loaded until `release`."""
        self.leases += 1

    def release(self) -> None:
        """Ends one `acquire`."""
        self.leases -= 1
        self.used_at = asyncio.get_running_loop().time()
        if not self.leases:
            self.unused()
