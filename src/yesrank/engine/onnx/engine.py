"""The engine on onnxruntime: one prompt a call, its shared prefix from a cache, long ones in slices."""

import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from yesrank.engine.base import HeadRows, check_prompts, groups, in_order
from yesrank.engine.bounds import PREFIX_BYTES
from yesrank.engine.onnx.graph import HIDDEN, IDS, KEEP, MASK, POSITIONS, Decoder
from yesrank.engine.prefixes import PrefixStates
from yesrank.errors import EngineError
from yesrank.types import EngineInfo, FloatArray, IdArray, Ids, Progress, Prompt

State = list[Any]
"""Keys and values of all tokens so far: one OrtValue [1, KV heads, tokens, head size] for each past input."""

SCORES = 1 << 26  # attention scores of a call, float32 each: onnxruntime holds them all at once
CALL_TOKENS = 1024
SHRINK_TOKENS = 2048  # after a longer prompt the memory of its activations is given back


@dataclass(slots=True)
class _Begun:
    """A prompt of which so many tokens are computed, and the state after these."""

    prompt: Prompt
    done: int
    state: State | None


class OnnxEngine:
    """An Engine (see engine/base.py) over a decoder's graph.

    One prompt is run at a time, without padding. That is right with any exporter's masks, costs nothing for documents
    of a usual length, and makes each score independent of its neighbours, also where activations are quantised with
    one scale for a whole call. The shared ids run first, by themselves; what they leave (the keys and values) is kept
    for the other documents, and in a bounded cache for later calls.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        worker: Executor,
        graph: Decoder,
        info: EngineInfo,
        heads: int,
        positions: int,
    ) -> None:
        """worker: a thread of its own, see load.py. heads: query heads; positions: the longest prompt."""
        self.info = info
        self._graph, self._heads, self._positions = graph, heads, positions
        self._lock = threading.Lock()
        self._session: ort.InferenceSession | None = session
        self._worker = worker
        self._head: HeadRows | None = graph.head
        self._device = "cuda" if info.device.startswith(("CUDA", "TENSORRT")) else "cpu"
        self._prefixes: PrefixStates[State] = PrefixStates(PREFIX_BYTES, _bytes)
        self._continues = bool(graph.cache)
        self._begun: _Begun | None = None

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        check_prompts(prompts, self._positions)
        with self._lock:
            return in_order(prompts, self._rows(prompts), self.info.hidden_size, progress)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Engine.keep."""
        with self._lock:
            if self._begun is not None and self._begun.prompt != begun:
                self._begun = None
            self._prefixes.keep({*prefixes, self._begun.prompt.prefix} if self._begun else prefixes)

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Engine.begin. A piece is some of the slices in which the prompt runs anyway."""
        check_prompts([prompt], self._positions)
        with self._lock:
            if not self._graph.cache:
                return 0
            begun = self._going_on(prompt)
            before = begun.done
            for begin, end in self._ahead(prompt, begun.done):
                if begun.done - before >= tokens:
                    break
                _, begun.state = self._run(
                    prompt.part(begin, end), begin, begun.state, keep=True, shrink=False
                )
                begun.done = end
                if end == prompt.shared:
                    self._prefixes.add(prompt.prefix, begun.state)
            return begun.done - before

    def takes_a_past(self) -> bool:
        """Tries whether several tokens can follow a past, as after a prefix; where not, none is used from now on."""
        with self._lock:
            try:
                _, state = self._sequence(Ids((0,)).array, 0, None)
                self._sequence(Ids((0, 0, 0)).array, 1, state, last=True)
            except EngineError:
                self._continues = False
        return self._continues

    def output_rows(self, ids: Sequence[int]) -> FloatArray:
        """See Engine.output_rows."""
        if self._head is None:
            raise EngineError("the engine is closed", "open the model again")
        return self._head(ids)

    def close(self) -> None:
        """See Engine.close."""
        with self._lock:
            self._session = self._head = self._begun = None
            self._prefixes.clear()
            self._worker.shutdown()

    def _rows(self, prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, FloatArray]]:
        """(prompt, hidden state) of each distinct prompt."""
        for members in groups(prompts):
            prefix = members[0].prefix if self._continues else Ids()
            state = self._after(prefix)
            for prompt in members:
                start, before = self._taken_up(prompt) or (len(prefix), state)
                hidden, _ = self._sequence(prompt.part(0, len(prompt)), start, before, last=True)
                yield prompt, hidden
            self._prefixes.trim()

    def _after(self, prefix: Ids) -> State | None:
        """The state after a prefix; None after none."""
        state = self._prefixes.find(prefix)
        if state is None and len(prefix):
            begun = self._begun
            start, before = 0, None
            if begun is not None and begun.prompt.prefix == prefix:
                start, before = begun.done, begun.state
            _, state = self._sequence(prefix.array, start, before)
            self._prefixes.add(prefix, state)
        return state

    def _going_on(self, prompt: Prompt) -> "_Begun":
        """The prompt as far as it is computed."""
        if self._begun is None or self._begun.prompt != prompt:
            state = self._prefixes.find(prompt.prefix)
            self._begun = _Begun(prompt, 0 if state is None else prompt.shared, state)
        return self._begun

    def _ahead(self, prompt: Prompt, done: int) -> Iterator[tuple[int, int]]:
        """The slices from there on, but for the last."""
        if done < prompt.shared:
            yield from self._slices(done, prompt.shared)
        yield from [*self._slices(max(done, prompt.shared), len(prompt))][:-1]

    def _taken_up(self, prompt: Prompt) -> tuple[int, State | None] | None:
        """Where a begun prompt stands, if it is behind its prefix; it is begun no more."""
        begun = self._begun
        if begun is None or begun.prompt != prompt:
            return None
        self._begun = None
        return (begun.done, begun.state) if begun.done > prompt.shared else None

    def _sequence(
        self, ids: IdArray, start: int, state: State | None, *, last: bool = False
    ) -> tuple[FloatArray, State]:
        """Runs ids[start:] after the state of those before. last: the state at the end is not wanted."""
        hidden: FloatArray | None = None
        for begin, end in self._slices(start, len(ids)):
            done = last and end == len(ids)
            hidden, state = self._run(
                ids[begin:end], begin, state, keep=not done, shrink=done and end > SHRINK_TOKENS
            )
        assert hidden is not None
        return hidden, state or []

    def _slices(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Bounds the attention scores of a call, heads x slice x all tokens before its end."""
        while start < stop:
            end = stop
            if self._continues:
                end = min(stop, start + max(64, min(CALL_TOKENS, SCORES // (self._heads * stop))))
            yield start, end
            start = end

    def _run(
        self, ids: IdArray, past: int, state: State | None, *, keep: bool, shrink: bool
    ) -> tuple[FloatArray, State]:
        """One call: float32 [D] of the last id, and the state after it where that is to be kept."""
        session = self._session
        if session is None:
            raise EngineError("the engine is closed", "open the model again")
        binding = session.io_binding()
        for name, value in self._inputs(ids, past).items():
            binding.bind_cpu_input(name, value)
        for (name, _), value in zip(self._graph.cache, state or self._empty(), strict=True):
            binding.bind_ortvalue_input(name, value)
        binding.bind_output(HIDDEN, "cpu")
        for _, name in self._graph.cache if keep else ():
            binding.bind_output(name, self._device)
        options = ort.RunOptions()
        options.log_severity_level = 4  # what fails is raised, and told from there
        if shrink and self._device == "cpu":
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            self._worker.submit(session.run_with_iobinding, binding, options).result()
        except Exception as error:  # onnxruntime's errors have no common base below it
            raise EngineError(f"onnxruntime failed in a call of {len(ids)} tokens: {error}") from error
        hidden, *presents = binding.get_outputs()
        row: FloatArray = hidden.numpy()[0].astype(np.float32)
        return row, presents

    def _inputs(self, ids: IdArray, past: int) -> dict[str, np.ndarray]:
        values = {
            IDS: ids.astype(np.int64)[None],
            MASK: np.ones((1, past + len(ids)), np.int64),
            POSITIONS: np.arange(past, past + len(ids), dtype=np.int64)[None],
            KEEP: np.array(1, np.int64),
        }
        return {name: values[name] for name in self._graph.inputs}

    def _empty(self) -> State:
        heads, size = self._graph.cache_shape
        nothing = np.zeros((1, heads, 0, size), np.float16 if self._graph.half else np.float32)
        return [ort.OrtValue.ortvalue_from_numpy(nothing) for _ in self._graph.cache]


def _bytes(state: State) -> int:
    return sum(value.tensor_size_in_bytes() for value in state)
