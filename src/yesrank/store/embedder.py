"""`yesrank.Embedder`: the embedder of the room below, opened by a name as well as by a folder."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yesrank.errors import InputError
from yesrank.kinds import EMBEDDING
from yesrank.models import embedder
from yesrank.store.entry import ENGINES
from yesrank.store.resolve import resolve


class Embedder(embedder.Embedder):
    """Turns texts into vectors with a Qwen3-Embedding model. May be used from several threads.

    model: a model folder, or a name or alias that `yesrank pull` or `add` has stored; there is no built-in one.
    instruction: the default task of queries. dimensions: of the vectors, 32 to the model's; None for all. max_length:
    tokens of a prompt with its text and end token; longer texts are cut at their end. device, precision, engine,
    variant, engine_options: as for Reranker. sure: the folder is that of an embedding model, though nothing in it says
    so. What is None is as stored with the name, else CPU and auto, and the folder's own.
    The attributes folder, instruction, dimensions and max_length say what is in use.

    Raises ModelError, InputError or EngineError, each with the next step to take.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str | None = None,
        precision: str | None = None,
        instruction: str | None = None,
        dimensions: int | None = None,
        max_length: int | None = None,
        engine: str | None = None,
        variant: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
        sure: bool = False,
    ) -> None:
        if model is None:
            raise InputError(
                "model",
                "must be named: no embedding model comes with yesrank",
                "yesrank pull Qwen/Qwen3-Embedding-0.6B",
            )
        found = resolve(model, note=_warn)
        entry = found.overridden(
            device=device, precision=precision, instruction=instruction, max_length=max_length
        )
        if engine in (None, *ENGINES):  # no name is stored with the engine reference
            entry = entry.overridden(engine=engine, variant=variant, engine_options=engine_options)
            engine, variant, engine_options = entry.engine, entry.variant, entry.engine_options
        super().__init__(
            entry.path,
            device=entry.device,
            precision=entry.precision,
            instruction=entry.instruction,
            dimensions=dimensions,
            max_length=entry.max_length,
            engine=engine,
            variant=variant,
            engine_options=engine_options,
            sure=sure or entry.kind == EMBEDDING,
        )


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)  # resolve, __init__, the caller
