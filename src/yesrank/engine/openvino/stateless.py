"""For decoders without a cache where none can be put into them: padded batches of whole prompts."""

import threading
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import openvino as ov

from yesrank.engine.base import HeadRows, check_prompts, in_order
from yesrank.engine.openvino.batching import filled, padded_batches
from yesrank.engine.openvino.passes import HIDDEN
from yesrank.engine.openvino.stateful import BATCH_TOKENS, stateful_inputs
from yesrank.errors import EngineError
from yesrank.types import EngineInfo, FloatArray, IdArray, Ids, Progress, Prompt


class StatelessEngine:
    """An Engine (see engine/base.py) over a headless model that takes whole prompts.

    They are padded on the right: what follows a token changes nothing of it in a decoder, whatever its mask.
    """

    def __init__(self, model: ov.CompiledModel, info: EngineInfo, head: HeadRows, positions: int) -> None:
        self.info = info
        self._positions = positions
        self._lock = threading.Lock()
        self._head: HeadRows | None = head
        self._names = {port.any_name for port in model.inputs}
        self._request: ov.InferRequest | None = model.create_infer_request()

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        check_prompts(prompts, self._positions)
        with self._lock:
            return in_order(prompts, self._rows(prompts), self.info.hidden_size, progress)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """Does nothing: this engine remembers no prefix."""

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """Does nothing: a prompt is computed as a whole."""
        return 0

    def output_rows(self, ids: Sequence[int]) -> FloatArray:
        """See Engine.output_rows."""
        if self._head is None:
            raise EngineError("the engine is closed", "open the model again")
        return self._head(ids)

    def close(self) -> None:
        """See Engine.close."""
        with self._lock:
            self._request = self._head = None

    def _rows(self, prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, FloatArray]]:
        distinct = list(dict.fromkeys(prompts))
        for batch in padded_batches([len(prompt) for prompt in distinct], BATCH_TOKENS):
            members = [distinct[index] for index in batch]
            hidden = self._infer([prompt.part(0, len(prompt)) for prompt in members])
            yield from zip(members, hidden, strict=True)

    def _infer(self, bodies: list[IdArray]) -> FloatArray:
        """One padded batch: float32 [len(bodies), D]."""
        if self._request is None:
            raise EngineError("the engine is closed", "open the model again")
        inputs = stateful_inputs(bodies, past=0, longest=filled(max(map(len, bodies))))
        try:
            self._request.infer({name: inputs[name] for name in self._names})
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed in a batch of {len(bodies)} texts: {error}") from error
        hidden: FloatArray = self._request.get_tensor(HIDDEN).data.astype(np.float32)
        return hidden
