"""The portable engine: the IR's own stateful attention, padded batches. For devices and versions without paging."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import openvino as ov

from yesrank.engine.base import HeadRows, check_prompts, in_order
from yesrank.engine.openvino.batching import padded_batches
from yesrank.engine.openvino.passes import HIDDEN, LAST_ROWS
from yesrank.engine.openvino.sequences import groups
from yesrank.errors import EngineError
from yesrank.types import EngineInfo, FloatArray, IdArray, Progress, Prompt

BATCH_TOKENS = 2048


class StatefulEngine:
    """An Engine (see engine/base.py) over a headless stateful model.

    The shared ids run at batch 1; the documents then take them over (beam_idx = 0 for each row), padded on the right,
    where a causal model never looks.
    """

    def __init__(self, model: ov.CompiledModel, info: EngineInfo, head: HeadRows, positions: int) -> None:
        self.info = info
        self._positions = positions
        self._lock = threading.Lock()
        self._head: HeadRows | None = head
        self._request: ov.InferRequest | None = model.create_infer_request()

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        check_prompts(prompts, self._positions)
        with self._lock:
            return in_order(prompts, self._rows(prompts), self.info.hidden_size, progress)

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
        for members in groups(prompts):
            bodies = [prompt.own.array for prompt in members]
            for batch in padded_batches([len(body) for body in bodies], BATCH_TOKENS):
                hidden = self._infer(members[0].prefix.array, [bodies[index] for index in batch])
                yield from zip((members[index] for index in batch), hidden, strict=True)

    def _infer(self, prefix: IdArray, bodies: list[IdArray]) -> FloatArray:
        """One padded batch after a prefix: float32 [len(bodies), D]."""
        request = self._request
        if request is None:
            raise EngineError("the engine is closed", "open the model again")
        try:
            request.reset_state()
            if len(prefix):
                request.infer(stateful_inputs([prefix], past=0))
            request.infer(stateful_inputs(bodies, past=len(prefix)))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed in a batch of {len(bodies)} documents: {error}") from error
        hidden: FloatArray = request.get_tensor(HIDDEN).data.astype(np.float32)
        return hidden


def stateful_inputs(bodies: Sequence[IdArray], past: int) -> dict[str, np.ndarray]:
    """Inputs for rows of ids, padded on the right, after `past` tokens that are in the state already."""
    longest = max(map(len, bodies))
    ids = np.zeros((len(bodies), longest), np.int64)
    mask = np.zeros((len(bodies), past + longest), np.int64)
    for row, body in enumerate(bodies):
        ids[row, : len(body)] = body
        mask[row, : past + len(body)] = 1
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": np.broadcast_to(np.arange(past, past + longest), ids.shape).copy(),
        "beam_idx": np.zeros(len(bodies), np.int32),
        LAST_ROWS: np.array([row * longest + len(body) - 1 for row, body in enumerate(bodies)], np.int64),
    }
