"""The portable engine: the IR's own stateful attention, padded batches. For devices and versions without paging."""

import threading
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import openvino as ov

from yesrank.engine.base import HeadRows, check_prompts, groups, in_order
from yesrank.engine.bounds import PREFIX_BYTES
from yesrank.engine.openvino.batching import filled, padded_batches
from yesrank.engine.openvino.passes import HIDDEN, LAST_ROWS
from yesrank.engine.prefixes import PrefixStates
from yesrank.errors import EngineError
from yesrank.types import EngineInfo, FloatArray, IdArray, Ids, Progress, Prompt

BATCH_TOKENS = 2048
PREFIX_TOKENS = 1024  # of a prefix that run in one call, so that others may be served between

State = list[ov.Tensor]
"""A copy of the model's variables, in the order of `query_state`."""


class StatefulEngine:
    """An Engine (see engine/base.py) over a headless stateful model.

    A prefix runs at batch 1; the documents then take it over (beam_idx = 0 for each row), padded on the right,
    where a causal model never looks. Its state is put back for every further batch, and remembered for later calls.
    """

    def __init__(self, model: ov.CompiledModel, info: EngineInfo, head: HeadRows, positions: int) -> None:
        self.info = info
        self._positions = positions
        self._lock = threading.Lock()
        self._head: HeadRows | None = head
        self._request: ov.InferRequest | None = model.create_infer_request()
        self._prefixes: PrefixStates[State] = PrefixStates(PREFIX_BYTES, _bytes)
        self._remembers = True
        self._begun: tuple[Ids, int, State] | None = (
            None  # a prefix, its tokens that are computed, the state then
        )

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        check_prompts(prompts, self._positions)
        with self._lock:
            return in_order(prompts, self._rows(prompts), self.info.hidden_size, progress)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Engine.keep."""
        with self._lock:
            if self._begun is not None and (begun is None or begun.prefix != self._begun[0]):
                self._begun = None
            self._prefixes.keep(prefixes if begun is None else {*prefixes, begun.prefix})

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Engine.begin. Only the prefix is computed ahead, where the device lets its state be read."""
        check_prompts([prompt], self._positions)
        with self._lock:
            prefix = prompt.prefix
            if not self._remembers or not len(prefix) or self._prefixes.find(prefix) is not None:
                return 0
            try:
                return self._advance(self._open(), prefix, tokens)
            except RuntimeError as error:
                raise EngineError(f"OpenVINO failed in a query of {len(prefix)} tokens: {error}") from error

    def output_rows(self, ids: Sequence[int]) -> FloatArray:
        """See Engine.output_rows."""
        if self._head is None:
            raise EngineError("the engine is closed", "open the model again")
        return self._head(ids)

    def close(self) -> None:
        """See Engine.close."""
        with self._lock:
            self._request = self._head = self._begun = None
            self._prefixes.clear()

    def _rows(self, prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, FloatArray]]:
        for members in groups(prompts):
            bodies = [prompt.own.array for prompt in members]
            for batch in padded_batches([len(body) for body in bodies], BATCH_TOKENS):
                hidden = self._infer(members[0].prefix, [bodies[index] for index in batch])
                yield from zip((members[index] for index in batch), hidden, strict=True)
            self._prefixes.trim()

    def _infer(self, prefix: Ids, bodies: list[IdArray]) -> FloatArray:
        """One padded batch after a prefix: float32 [len(bodies), D]."""
        request = self._open()
        try:
            if (known := self._prefixes.find(prefix)) is not None:
                request.reset_state()
                _put(request, known)
            else:
                self._advance(request, prefix, len(prefix))
            request.infer(stateful_inputs(bodies, past=len(prefix), longest=filled(max(map(len, bodies)))))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed in a batch of {len(bodies)} documents: {error}") from error
        hidden: FloatArray = request.get_tensor(HIDDEN).data.astype(np.float32)
        return hidden

    def _open(self) -> ov.InferRequest:
        if self._request is None:
            raise EngineError("the engine is closed", "open the model again")
        return self._request

    def _advance(self, request: ov.InferRequest, prefix: Ids, tokens: int) -> int:
        """Brings the request about so many tokens on in a prefix, and remembers where it stands; returns how many."""
        request.reset_state()
        begin = done = 0
        if self._begun is not None and self._begun[0] == prefix:
            _, done, state = self._begun
            begin, self._begun = done, None
            _put(request, state)
        while done < len(prefix) and done - begin < tokens:
            piece = prefix.array[done : done + PREFIX_TOKENS]
            request.infer(stateful_inputs([piece], past=done))
            done += len(piece)
        if done > begin and self._remembers:
            self._remember(request, prefix, done)
        return done - begin

    def _remember(self, request: ov.InferRequest, prefix: Ids, done: int) -> None:
        """Where the device lets its state be read and written: a compressed cache, as GPUs have, does not."""
        try:
            state = [_copy(variable.state) for variable in request.query_state()]
            _put(request, state)
        except RuntimeError:
            self._remembers = False
            return
        if done == len(prefix):
            self._prefixes.add(prefix, state)
        else:
            self._begun = prefix, done, state


def _put(request: ov.InferRequest, state: State) -> None:
    for variable, tensor in zip(request.query_state(), state, strict=True):
        variable.state = tensor


def _copy(tensor: ov.Tensor) -> ov.Tensor:
    copy = ov.Tensor(tensor.element_type, tensor.shape)
    tensor.copy_to(copy)
    return copy


def _bytes(state: State) -> int:
    return sum(tensor.byte_size for tensor in state)


def stateful_inputs(
    bodies: Sequence[IdArray], past: int, longest: int | None = None
) -> dict[str, np.ndarray]:
    """Inputs for rows of ids, padded on the right, after `past` tokens that are in the state already.

    longest: to which length they are padded; None for that of the longest row.
    """
    longest = longest or max(map(len, bodies))
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
