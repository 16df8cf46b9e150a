"""The fast engine: ragged batches over a paged KV cache, the shared prefix computed once."""

import threading
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import openvino as ov

from yesrank.engine.base import HeadRows, check_prompts, groups, in_order
from yesrank.engine.bounds import FREE_BLOCKS, FREE_BYTES, PREFIX_BYTES
from yesrank.engine.openvino.batching import Span, calls, filled, filled_rows
from yesrank.engine.openvino.blocks import BlockPool, PrefixCache, block_keys
from yesrank.engine.openvino.passes import HIDDEN, LAST_ROWS
from yesrank.engine.openvino.sequences import Running, Tables, windows
from yesrank.engine.openvino.shared_cache import BLOCKS, STEPS
from yesrank.errors import EngineError
from yesrank.types import EngineInfo, FloatArray, Ids, Progress, Prompt

CALL_TOKENS = 768  # larger calls were at most 5 % faster, and 256 tokens of KV cache take 30 MB in the 0.6B
CALL_SEQUENCES = 64
WINDOW_GROUPS = 32
POOL_BLOCKS = 512


class PagedEngine:
    """An Engine (see engine/base.py) over a paged, headless, last-rows-only model.

    Prompts with the same prefix form a group. The first prompt of a group runs whole; the others begin after the
    prefix: its full blocks stand in their block tables too, and the partly filled one is copied for each.
    Prefixes stay in a cache for later calls, which then begin after them: the kept ones, and others within a bound.
    Identical prompts are computed once.
    """

    def __init__(self, model: ov.CompiledModel, info: EngineInfo, head: HeadRows, positions: int) -> None:
        self.info = info
        self._positions = positions
        self._lock = threading.Lock()
        self._head: HeadRows | None = head
        self._request: ov.InferRequest | None = model.create_infer_request()
        shape, element = _cache_shape(model), model.input("key_cache.0").element_type
        passing = CALL_TOKENS // shape[2] + CALL_SEQUENCES + 1  # one for what fills a call up
        self._layers, self._pool = shape[0], BlockPool(shape, POOL_BLOCKS, passing, element)
        self._prefixes = PrefixCache(self._pool, PREFIX_BYTES)
        self._tables = Tables(self._pool, self._prefixes)
        self._kept: dict[Ids, list[bytes]] = {}  # the keys of their blocks
        self._begun: Running | None = None
        self._bind_cache()

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        check_prompts(prompts, self._positions)
        with self._lock:
            begun = self._begun
            try:
                out = in_order(prompts, self._rows(prompts), self.info.hidden_size, progress)
            except BaseException:
                self._forget()  # the blocks of an interrupted run have lost their owners
                raise
            if self._begun is not begun:
                self._hold()
            self._give_back()
        return out

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """See Engine.keep."""
        with self._lock:
            dropped = self._begun is not None and self._begun.prompt != begun
            if self._request is None or (self._kept.keys() == set(prefixes) and not dropped):
                return
            if dropped:
                self._drop()
            size = self._pool.block_tokens
            self._kept = {ids: self._kept.get(ids) or block_keys(ids.array, size) for ids in prefixes}
            self._hold()
            self._give_back()

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """See Engine.begin. No piece has a single token, and none is left over, for the reason given at `calls`."""
        check_prompts([prompt], self._positions)
        with self._lock:
            try:
                running = self._going_on(prompt)
                stop = min(running.done + max(tokens, 2), len(prompt) - 2)
                if stop - running.done < 2:
                    return 0
                for call in calls([(running.done, stop)], CALL_TOKENS, CALL_SEQUENCES):
                    self._infer([running], call, [])
            except BaseException:
                self._forget()
                raise
            begin, running.done = running.done, stop
            return stop - begin

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
            self._pool.close()

    def _rows(self, prompts: Sequence[Prompt]) -> Iterator[tuple[Prompt, FloatArray]]:
        """(prompt, hidden state) of each distinct prompt, as they get done."""
        for window in windows(groups(prompts), WINDOW_GROUPS):
            leaders, rest = self._line_up(window)
            for running, row in self._run(leaders, leading=True):
                yield running.prompt, row
                self._tables.shorten(running)
            for running, row in self._run(rest, leading=False):
                yield running.prompt, row
                self._tables.release(running)
            for leader in leaders:
                self._tables.release(leader)
            self._prefixes.trim()

    def _line_up(self, window: list[list[Prompt]]) -> tuple[list[Running], list[Running]]:
        """Those that compute a prefix for others, and all the rest. Nobody leads where it is cached, or none."""
        leaders: list[Running] = []
        rest: list[Running] = []
        for members in window:
            first, *others = self._begun_first(members)
            running = self._taken_up(first)
            leads = others and first.shared and running.leader is None
            (leaders if leads else rest).append(running)
            rest += [self._tables.follow(prompt, running.leader or running) for prompt in others]
        return leaders, rest

    def _going_on(self, prompt: Prompt) -> Running:
        """The prompt as far as it is computed. What it takes over from the cache is held until it is done."""
        if self._begun is None or self._begun.prompt != prompt:
            self._drop()
            self._begun = self._tables.begin(prompt)
            self._hold()
        return self._begun

    def _begun_first(self, members: list[Prompt]) -> list[Prompt]:
        """A begun prompt before those that share its prefix, which is computed already."""
        if self._begun is None or self._begun.prompt not in members:
            return members
        return [self._begun.prompt, *(prompt for prompt in members if prompt != self._begun.prompt)]

    def _taken_up(self, prompt: Prompt) -> Running:
        begun = self._begun
        if begun is None or begun.prompt != prompt:
            return self._tables.begin(prompt)
        self._begun = None
        return begun

    def _drop(self) -> None:
        if self._begun is not None:
            self._tables.release(self._begun)
            self._begun = None

    def _hold(self) -> None:
        """Call only when no prompt is running."""
        keys = {key for keys in self._kept.values() for key in keys}
        if self._begun is not None:
            keys.update(block_keys(self._begun.prompt.prefix.array, self._pool.block_tokens))
        self._prefixes.keep(keys)

    def _run(self, batch: list[Running], *, leading: bool) -> Iterator[tuple[Running, FloatArray]]:
        """Runs the batch in as many calls as it takes; the caller releases what is yielded."""
        ranges = [(running.done, len(running.prompt)) for running in batch]
        for call in calls(ranges, CALL_TOKENS, CALL_SEQUENCES):
            finished = [span for span in call if span.stop == len(batch[span.sequence].prompt)]
            hidden = self._infer(batch, call, finished)
            for span, row in zip(finished, hidden, strict=True):
                running = batch[span.sequence]
                whole = leading or running.prompt.prefix in self._kept
                self._tables.keep_prefix(running, whole=whole)
                yield running, row

    def _infer(self, batch: list[Running], call: list[Span], finished: list[Span]) -> FloatArray:
        """One call: float32 [len(finished), D]."""
        request = self._request
        if request is None:
            raise EngineError("the engine is closed", "open the model again")
        needed = (self._tables.needed(batch[span.sequence], span.start, span.stop) for span in call)
        if self._pool.reserve(sum(needed)):
            self._bind_cache()
        for span in call:
            self._tables.extend(batch[span.sequence], span.start, span.stop)
        try:
            request.infer(_inputs(batch, call, finished, self._pool), share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed in a call of {len(call)} sequences: {error}") from error
        hidden: FloatArray = request.get_tensor(HIDDEN).data[: len(finished)].copy()
        return hidden

    def _bind_cache(self) -> None:
        assert self._request is not None
        key, value = self._pool.tensors()
        for layer in range(self._layers):
            self._request.set_tensor(f"key_cache.{layer}", key)
            self._request.set_tensor(f"value_cache.{layer}", value)

    def _forget(self) -> None:
        self._begun = None
        self._prefixes.clear()
        self._pool.reset()
        if self._request is not None:
            self._bind_cache()

    def _give_back(self) -> None:
        """The memory of blocks that hold nothing, where it is more than usual."""
        free = self._pool.touched - len(self._prefixes) - (len(self._begun.owned) if self._begun else 0)
        if self._request is not None and free > min(FREE_BLOCKS, FREE_BYTES // self._pool.block_bytes):
            self._pool.shrink()
            self._bind_cache()


def _inputs(
    batch: list[Running], call: list[Span], finished: list[Span], pool: BlockPool
) -> dict[str, np.ndarray]:
    """Of one call."""
    prompts = [batch[span.sequence].prompt for span in call]
    ids = [prompt.part(span.start, span.stop) for prompt, span in zip(prompts, call, strict=True)]
    places = [(span.start, span.stop) for span in call]
    tables = [batch[span.sequence].blocks for span in call]
    tokens = sum(map(len, ids))
    if missing := filled(tokens) - tokens:
        ids.append(np.zeros(missing, np.int32))
        places.append((0, missing))
        tables.append([])
    begins = np.cumsum([0, *map(len, ids)])
    ends = {id(span): end - 1 for span, end in zip(call, begins[1:].tolist(), strict=False)}
    rows = [ends[id(span)] for span in finished]
    return {
        "input_ids": np.concatenate(ids).astype(np.int64),
        "position_ids": np.concatenate([np.arange(start, stop) for start, stop in places]),
        "past_lens": np.array([start for start, _ in places], np.int32),
        "subsequence_begins": begins.astype(np.int32),
        "max_context_len": np.array(max(stop for _, stop in places), np.int32),
        # those above the finished ones are thrown away
        LAST_ROWS: np.array(rows + [0] * (filled_rows(len(rows)) - len(rows)), np.int64),
        **_blocks(tables, [stop for _, stop in places], pool),
    }


def _blocks(tables: list[list[int]], stops: list[int], pool: BlockPool) -> dict[str, np.ndarray]:
    """The block tables of a call: what is kept of each sequence, then as many passing blocks as reach to its end."""
    found: list[int] = []
    steps: list[int] = []
    begins, passing = [0], 0
    for table, stop in zip(tables, stops, strict=True):
        more = -(-stop // pool.block_tokens) - len(table)
        found += [*map(pool.first, table), *range(passing, passing + more)]
        steps += [1] * len(table) + [0] * more
        begins.append(len(found))
        passing += more
    return {
        BLOCKS: np.array(found, np.int32),
        STEPS: np.array(steps, np.int32),
        "block_indices_begins": np.array(begins, np.int32),
    }


def _cache_shape(model: ov.CompiledModel) -> tuple[int, int, int, int]:
    """(layers, KV heads, tokens a block, head size), as the device lays its cache out."""
    layers = sum(port.any_name.startswith("key_cache.") for port in model.inputs)
    _, heads, tokens, size = (
        dimension.get_max_length() for dimension in model.input("key_cache.0").partial_shape
    )
    return layers, heads, tokens, size
