"""`yesrank.Reranker`: the reranker of the room below, opened by a name as well as by a folder."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yesrank.models import reranker
from yesrank.store.entry import ENGINES, builtin_entry
from yesrank.store.resolve import resolve
from yesrank.templates import stored


class Reranker(reranker.Reranker):
    """Ranks documents by the probability that the model answers "yes". May be used from several threads.

    model: a model folder; a name or alias that `yesrank pull` or `add` has stored; "builtin" or None for the small
    built-in model. A model folder goes before a name, with a warning where there are both. device: an OpenVINO device,
    or one of onnxruntime's (CPU, CUDA, COREML, DML, ...). precision: auto, f32, bf16, int8 or w8a8
    (docs/models-and-precision.md), for OpenVINO. instruction: the default one. max_length: tokens of a whole prompt;
    longer documents are cut, never the query. template: card, chat, onnx-card, a file or its text (docs/prompts.md).
    engine: openvino, onnx, or reference for the slow numpy engine on an unconverted checkpoint; None takes what the
    folder holds, OpenVINO first. variant: of ONNX files, such as q8 or q4; None for the best one for a CPU that is
    there. Naming a variant asks for onnx. engine vllm runs a checkpoint as it was published; engine_options are vLLM's
    own, by name (docs/vllm.md).
    What is None is as stored with the name, else CPU and auto, and the folder's own.
    The attributes folder, template and max_length say what is in use.

    Raises ModelError, InputError or EngineError, each with the next step to take.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        device: str | None = None,
        precision: str | None = None,
        instruction: str | None = None,
        max_length: int | None = None,
        template: str | Path | None = None,
        engine: str | None = None,
        variant: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        found = builtin_entry() if model is None else resolve(model, note=_warn)
        asked: dict[str, Any] = {
            "device": device,
            "precision": precision,
            "instruction": instruction,
            "template": stored(template),
        }
        entry = found.overridden(**asked, max_length=max_length)
        # no name is stored with the engine reference, which has no variants
        if engine in (None, *ENGINES):
            entry = entry.overridden(engine=engine, variant=variant, engine_options=engine_options)
            engine, variant, engine_options = entry.engine, entry.variant, entry.engine_options
        super().__init__(
            entry.path,
            device=entry.device,
            precision=entry.precision,
            instruction=entry.instruction,
            max_length=entry.max_length,
            template=entry.template,
            engine=engine,
            variant=variant,
            engine_options=engine_options,
        )


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)  # resolve, __init__, the caller
