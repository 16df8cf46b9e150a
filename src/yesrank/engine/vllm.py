"""vLLM's offline pooling runner: token ids in, the last token's hidden state out. For NVIDIA cards, and its CPU build.

The checkpoint is run as it was published, as an embedding model without a pooler's normalisation, so that nothing of a
vocabulary is computed. vLLM batches continuously: all prompts of a call are given to it at once, those of one prefix
together, and its own cache of prefixes computes that once.
"""

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yesrank.checkpoint import Checkpoint
from yesrank.engine.base import check_prompts, groups, in_order
from yesrank.errors import EngineError, InputError, MissingExtra, UnsupportedModel
from yesrank.types import EngineInfo, FloatArray, Ids, Progress, Prompt

_PROMPTS_AT_A_TIME = 1024  # more than any card runs at once; bounds the ids and states that are under way
_LENGTH = (
    8192  # the model card's; room for one prompt of the model's 40,960 positions would take 4.7 GB of a 0.6B
)
# vLLM's own auto takes float16 for pooling where config.json says float32, or says nothing: large activations overflow
_DTYPES = {"auto": "bfloat16", "f32": "float32", "bf16": "bfloat16"}
_NAMES = {"torch.float32": "f32", "torch.bfloat16": "bf16", "torch.float16": "f16"}
_OURS = ("model", "runner", "convert", "pooler_config", "enable_prefix_caching", "hf_overrides")
# what is set stays. vLLM logs to standard output, where data goes; and its CPU build takes half of the memory for keys
_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_CPU_KVCACHE_SPACE": "2",
}

Options = Mapping[str, Any]
"""Arguments of vllm.LLM by their own names: tensor_parallel_size, quantization, gpu_memory_utilization, dtype, ..."""


class VllmEngine:
    """An Engine (see engine/base.py) over vllm.LLM. What is batched together may move each other's last digits.

    decoder_only: as of Checkpoint. precision: auto (bf16), f32 or bf16; others by the option dtype. options: passed
    through by name. Raises MissingExtra, InputError for options that cannot be, EngineError where vLLM does not start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        precision: str = "auto",
        options: Options | None = None,
        decoder_only: bool = False,
    ) -> None:
        self._checkpoint = Checkpoint(folder, decoder_only=decoder_only)
        if self._checkpoint.config.labels:
            raise UnsupportedModel(
                f"{folder} is a classifier, whose checkpoint is not run on vLLM here",
                "convert it: yesrank convert CHECKPOINT FOLDER",
            )
        asked = arguments(self._checkpoint, precision, options or {})
        self._length = int(asked["max_model_len"])
        self._lock = threading.Lock()
        self._model: Any = _load(folder, asked)
        self.info = _info(self._checkpoint, self._model)

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        check_prompts(prompts, self._length)
        with self._lock:
            width = self._checkpoint.config.hidden_size
            return in_order(prompts, self._rows(prompts), width, progress)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """Does nothing: vLLM keeps what it has computed for as long as there is room, the latest used longest."""

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """Does nothing: vLLM reads a long prompt in pieces of its own, and others between them."""
        return 0

    def output_rows(self, ids: Sequence[int]) -> FloatArray:
        """See Engine.output_rows."""
        return self._checkpoint.output_rows(list(ids))

    def close(self) -> None:
        """Ends vLLM's processes."""
        with self._lock:
            if self._model is not None:
                self._model.llm_engine.engine_core.shutdown()
                self._model = None

    def _rows(self, prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, FloatArray]]:
        if self._model is None:
            raise EngineError("the engine is closed", "open the model again")
        ordered = [prompt for group in groups(prompts) for prompt in group]
        for begin in range(0, len(ordered), _PROMPTS_AT_A_TIME):
            part = ordered[begin : begin + _PROMPTS_AT_A_TIME]
            yield from zip(part, self._states(part), strict=True)

    def _states(self, prompts: Sequence[Prompt]) -> FloatArray:
        from vllm import PoolingParams

        given = [{"prompt_token_ids": [*prompt.ids]} for prompt in prompts]
        try:
            found = self._model.embed(
                given, pooling_params=PoolingParams(use_activation=False), use_tqdm=False
            )
        except Exception as error:
            raise EngineError(
                f"vLLM failed: {_last_line(error)}",
                "its log says more: VLLM_LOGGING_LEVEL=INFO; where memory is short: "
                "gpu_memory_utilization or max_num_batched_tokens as engine options",
            ) from error
        return np.array([each.outputs.embedding for each in found], np.float32)


def arguments(checkpoint: Checkpoint, precision: str, options: Options) -> dict[str, Any]:
    """What vllm.LLM is given besides what makes it this engine. Raises InputError."""
    if taken := [name for name in options if name in _OURS]:
        raise InputError("engine_options", f"{taken[0]} is set by yesrank", f"leave out: {', '.join(_OURS)}")
    if precision not in _DTYPES:
        raise InputError(
            "precision",
            f"vLLM has no {precision} by that name",
            "use auto, f32 or bf16; quantised weights by the engine option quantization",
        )
    if precision != "auto" and "dtype" in options:
        raise InputError("engine_options", "dtype is given beside a precision", "give one of the two")
    length = min(_LENGTH, checkpoint.config.longest)
    ours = {"dtype": _DTYPES[precision], "max_model_len": length, "disable_log_stats": True}
    return {**ours, **options}


def _load(folder: Path, arguments: Mapping[str, Any]) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from vllm import LLM
        from vllm.config.pooler import PoolerConfig
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "vllm":
            raise
        raise MissingExtra("vllm", "vllm", "or convert the checkpoint, and leave the engine out") from error
    try:
        return LLM(
            model=str(folder),
            runner="pooling",
            convert="embed",
            pooler_config=PoolerConfig(seq_pooling_type="LAST", use_activation=False),
            enable_prefix_caching=True,
            **arguments,
        )
    except TypeError as error:
        raise InputError(
            "engine_options",
            f"vLLM takes no such option: {_last_line(error)}",
            "see the arguments of vllm.LLM",
        ) from error
    except Exception as error:
        raise EngineError(
            f"vLLM does not start: {_last_line(error)}", "its log says more: VLLM_LOGGING_LEVEL=INFO"
        ) from error


def _info(checkpoint: Checkpoint, model: Any) -> EngineInfo:
    import vllm
    from vllm.platforms import current_platform

    config = model.llm_engine.model_config
    precision = _NAMES.get(str(config.dtype), str(config.dtype).removeprefix("torch."))
    sizes = [path.stat().st_size for path in checkpoint.files]
    return EngineInfo(
        engine="vllm",
        device=str(current_platform.device_type).upper(),
        precision=f"{precision}, {config.quantization}" if config.quantization else precision,
        hidden_size=checkpoint.config.hidden_size,
        layers=checkpoint.config.num_hidden_layers,
        weights_bytes=sum(sizes),
        note=f"vLLM {vllm.__version__}: a prompt's company may move its last digits",
    )


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
