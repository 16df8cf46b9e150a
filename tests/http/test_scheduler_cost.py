"""Turns of the scheduler against what the engine really computes, and what it has to hold meanwhile."""

import asyncio
import random
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from fake_models import FakeModel, Recorder, expected, prompts, run
from test_scheduler import Gate

from yesrank import Reranker
from yesrank.engine.openvino import paged
from yesrank.engine.openvino.batching import filled
from yesrank.serve.models.pool import ModelSpec, Pool
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.queueing import Queue
from yesrank.serve.queue.scheduler import Scheduler
from yesrank.serve.queue.work import Job, Turn, plan
from yesrank.types import Ids, Prompt

LIMITS = Limits(turn_tokens=256, turn_seconds=1e-9)
REQUESTS = [(1700, 5), (50, 20), (1, 1), (700, 6), (64, 10), (500, 1), (31, 5)]


def random_request(seed: int, shared: int, count: int) -> list[Prompt]:
    """Documents of 2 to 60 ids of their own, and one that is longer than a turn."""
    draw = random.Random(seed)
    ids = lambda size: Ids(draw.randrange(10, 3000) for _ in range(size))  # noqa: E731
    prefix = ids(shared)
    return [Prompt(prefix, ids(300 if index == 3 else draw.randint(2, 60))) for index in range(count)]


def work_of(prompts: Sequence[Prompt]) -> int:
    return prompts[0].shared + sum(len(prompt.own) for prompt in prompts)


def test_nothing_is_computed_twice_for_clients_with_prefixes_of_any_length(monkeypatch) -> None:
    """Every turn counts what goes into the runtime, and the scores are those without a server, bit by bit."""
    monkeypatch.setattr(paged, "PREFIX_BYTES", 0)  # nothing is remembered unasked
    monkeypatch.setattr(paged, "FREE_BLOCKS", 16)
    requests = [random_request(seed, *shape) for seed, shape in enumerate(REQUESTS)]
    inputs, tokens = paged._inputs, []
    recorder = Recorder()

    def counting(*arguments):
        made = inputs(*arguments)
        tokens.append(sum(span.stop - span.start for span in arguments[1]))
        assert len(made["input_ids"]) == filled(tokens[-1])
        return made

    async def main() -> None:
        pool, scheduler = Pool([ModelSpec("builtin")]), Scheduler(LIMITS, recorder)
        async with pool, scheduler, pool.use() as model:
            monkeypatch.setattr(paged, "_inputs", counting)
            found.extend(await asyncio.gather(*(scheduler.score(model, asked) for asked in requests)))
            while model.scorer._engine._kept:  # the idle engine thread lets go of the last prefix
                await asyncio.sleep(0.001)

    found: list = []
    run(main())
    assert sum(tokens) == sum(turn.tokens for turn in recorder.turns) == sum(map(work_of, requests))
    with Reranker() as alone:
        for asked, answer in zip(requests, found, strict=True):
            assert np.array_equal(answer.logits, alone.logits(asked))


class Remembering(FakeModel):
    """Counts what an engine computes that keeps nothing but what it is told to keep."""

    def __init__(self) -> None:
        super().__init__()
        self.held: set[Ids] = set()
        self.computed: list[int] = []
        self.fail_at = -1

    def keep(self, prefixes, begun=None) -> None:
        super().keep(prefixes, begun)
        self.held &= set(prefixes)

    def logits(self, asked: Sequence[Prompt]):
        if len(self.calls) == self.fail_at:
            self.held.clear()
            self.calls.append([])
            raise RuntimeError
        found = {prompt.prefix for prompt in asked}
        new = sum(len(prefix) for prefix in found - self.held)
        self.computed.append(new + sum(len(prompt.own) for prompt in asked))
        self.held = self.held | found
        rows = super().logits(asked)
        self.held &= self.kept[-1]
        return rows


def test_a_prefix_that_was_lost_in_a_failure_is_counted_again() -> None:
    async def main() -> None:
        model, recorder = Remembering(), Recorder()
        model.fail_at = 3
        asked = prompts(1, 100, length=520, shared=500)
        async with Scheduler(LIMITS, recorder) as scheduler:
            answer = await scheduler.score(model, asked)
        assert np.array_equal(answer.logits, expected(asked))
        ran = [turn.tokens for turn in recorder.turns if not turn.failed]
        assert ran == model.computed
        assert sum(ran) == 500 + 500 + 100 * 20

    run(main())


def test_two_requests_with_the_same_query_pay_for_it_once() -> None:
    async def main() -> None:
        model, recorder, gate = Remembering(), Recorder(), Gate()
        model.before = gate
        asked = prompts(1, 60, length=520, shared=500)
        async with Scheduler(LIMITS, recorder) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, part)) for part in (asked[:30], asked[30:])]
            await asyncio.sleep(0.01)
            gate.open.set()
            await asyncio.gather(*tasks)
        assert [turn.tokens for turn in recorder.turns] == model.computed
        assert sum(model.computed[1:]) == 500 + 60 * 20

    run(main())


def test_large_prefixes_are_held_one_after_the_other_and_others_go_on() -> None:
    """However many requests with long queries come, the engine holds one of them and a bounded number of small ones."""
    limits = Limits(turn_tokens=200, turn_seconds=1e-9, held_tokens=400)

    async def main() -> None:
        model, gate = Remembering(), Gate()
        model.before = gate
        large = [prompts(seed, 100, length=1010, shared=1000) for seed in (1, 2, 3)]
        small = [prompts(seed, 100, length=60, shared=50) for seed in range(4, 24)]
        async with Scheduler(limits) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, asked)) for asked in (*large, *small)]
            await asyncio.sleep(0.05)
            gate.open.set()
            await asyncio.gather(*tasks)
        held = [sorted(map(len, prefixes)) for prefixes in model.kept]
        assert max(sum(lengths) for lengths in held) <= 1000 + 400
        assert max(lengths.count(1000) for lengths in held) == 1
        assert max(lengths.count(50) for lengths in held) == 8
        assert sum(model.computed[1:]) == sum(work_of(asked) for asked in (*large, *small))
        place = {seed: max(i for i, call in enumerate(model.calls) if seed in call) for seed in range(1, 24)}
        assert place[1] < place[2] < place[3]  # as they came
        assert place[4] < place[2]  # a small one does not wait for the large ones

    run(main())


def test_a_request_that_is_cancelled_lets_go_of_its_prefix() -> None:
    async def main() -> None:
        model, recorder = Remembering(), Recorder()
        async with Scheduler(LIMITS, recorder) as scheduler:
            task = asyncio.create_task(scheduler.score(model, prompts(1, 5000, length=520, shared=500)))
            while not any(model.kept):
                await asyncio.sleep(0.001)
            task.cancel()
            while model.kept[-1]:
                await asyncio.sleep(0.001)
        assert not model.held
        assert all(turn.documents for turn in recorder.turns)  # letting go is no turn

    run(main())


def test_short_requests_pay_for_a_long_query_once() -> None:
    """Where it cannot run in pieces, the first slice is owed for as its length; after it, one is half a turn."""

    async def main() -> None:
        model, gate = Remembering(), Gate()
        limits = Limits(turn_tokens=200, turn_seconds=1e-9)
        model.before = lambda asked: gate(asked) if len(model.calls) == 3 else None
        async with Scheduler(limits) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(1, 2000, length=8020, shared=8000)))]
            await gate.wait()
            # all at once: in the gaps between single ones the long request may have the engine to itself
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 5))) for seed in range(2, 40)]
            await asyncio.sleep(0.01)
            gate.open.set()
            await asyncio.gather(*tasks)
        assert 1 in model.calls[-1]  # none waited for the long one's end
        assert sorted(model.computed)[-1] >= 8000
        assert (
            sorted(model.computed)[-2] <= 4 * limits.turn_tokens
        )  # the largest turn that many short ones make

    run(main())


class InPieces(Remembering):
    """Computes long prompts ahead. events: ("piece", tokens) and ("call", seeds) in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead: tuple[Prompt, int, int] | None = (
            None  # tokens that are there, and those of them computed ahead
        )
        self.events: list[tuple[str, object]] = []
        self.fail_pieces = 0
        self.after_piece: Gate | None = None

    def keep(self, prefixes, begun=None) -> None:
        super().keep(prefixes, begun)
        if self.ahead is not None and self.ahead[0] != begun:
            self.ahead = None

    def begin(self, prompt: Prompt, tokens: int) -> int:
        if self.fail_pieces:
            self.fail_pieces -= 1
            self.ahead = None
            raise RuntimeError
        held = prompt.shared if prompt.prefix in self.held else 0
        same = self.ahead is not None and self.ahead[0] == prompt
        done, computed = self.ahead[1:] if self.ahead is not None and same else (held, 0)
        stop = min(len(prompt) - 2, done + tokens)
        if stop <= done:
            return 0
        self.ahead = prompt, stop, computed + stop - done
        self.events.append(("piece", stop - done))
        self.computed.append(stop - done)
        if self.after_piece is not None:
            self.after_piece(prompt)
        return stop - done

    def logits(self, asked: Sequence[Prompt]):
        self.events.append(("call", {int(prompt.part(0, 1)[0]) for prompt in asked}))
        rows = super().logits(asked)
        if self.ahead is not None and self.ahead[0] in asked:
            self.computed[-1] -= self.ahead[2]
            self.ahead = None
        return rows


@pytest.mark.parametrize(("length", "shared"), [(8020, 8000), (8020, 10)])
def test_others_are_served_between_the_pieces_of_a_long_query_or_document(length: int, shared: int) -> None:
    async def main() -> None:
        model, recorder, gate = InPieces(), Recorder(), Gate()
        limits = Limits(turn_tokens=200, turn_seconds=1e-9)
        asked = prompts(1, 3, length=length, shared=shared)
        async with Scheduler(limits, recorder) as scheduler:
            model.before = gate
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, asked))]
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 5))) for seed in range(2, 40)]
            await asyncio.sleep(0.01)
            gate.open.set()
            found = await asyncio.gather(*tasks)
        assert np.array_equal(found[1].logits, expected(asked))
        assert max(turn.tokens for turn in recorder.turns) <= 4 * limits.turn_tokens
        assert sum(turn.tokens for turn in recorder.turns) == sum(model.computed)
        assert sum(model.computed) - 20 - 38 * (20 + 4 * 10) == work_of(asked)
        kinds = "".join("P" if kind == "piece" else "L" if 1 in what else "s" for kind, what in model.events)
        first = kinds.index("P")
        assert "s" in kinds[first : kinds.rindex("P")]  # short ones, between two pieces of one prompt
        assert kinds.count("P") >= 8000 / (limits.turn_tokens / 2) - 4

    run(main())


def test_a_query_whose_piece_fails_is_computed_whole(caplog) -> None:
    async def main() -> None:
        model, recorder = InPieces(), Recorder()
        model.fail_pieces = 1
        asked = prompts(1, 5, length=2020, shared=2000)
        async with Scheduler(Limits(turn_tokens=200, turn_seconds=1e-9), recorder) as scheduler:
            answer = await scheduler.score(model, asked)
            assert scheduler.snapshot().tokens == 0
        assert np.array_equal(answer.logits, expected(asked))
        assert [turn.failed for turn in recorder.turns].count(True) == 1
        assert all(kind == "call" for kind, _ in model.events)

    run(main())


def test_a_begun_prompt_goes_with_its_request() -> None:
    async def main() -> None:
        model = InPieces()
        model.after_piece = gate = Gate()
        async with Scheduler(Limits(turn_tokens=200, turn_seconds=1e-9)) as scheduler:
            task = asyncio.create_task(scheduler.score(model, prompts(1, 5, length=20_000, shared=19_900)))
            await gate.wait()
            assert model.ahead is not None
            task.cancel()
            await asyncio.wait([task])
            gate.open.set()
            while model.ahead is not None:
                await asyncio.sleep(0.001)
            assert scheduler.snapshot().tokens == 0

    run(main())


def test_slow_tokens_count_as_so_many_more() -> None:
    """Behind a prefix of 8,000 a token takes several times as long as usual: slices get shorter, turns rarer."""
    queue, model = Queue(Limits(turn_tokens=800, turn_seconds=1e-9)), FakeModel()

    def add(asked: Sequence[Prompt]) -> None:
        queue.add(Job(model, plan(asked), finish=lambda job: None))

    def turn() -> Turn:
        made = queue.take()
        assert made is not None
        queue.measured(made, made.tokens / (1000 if made.parts[0].job.short else 125))
        return made

    add(prompts(0, 10))
    turn()
    add(prompts(1, 5000, length=12, shared=10))
    assert turn().tokens == 400  # half a turn, for short ones may come
    assert turn().tokens == 400 // 8
    for seed in range(2, 100):
        add(prompts(seed, 20))
    turns = [turn() for _ in range(20)]
    usual = sum(made.tokens for made in turns if made.parts[0].job.short)
    slow = sum(made.tokens for made in turns) - usual
    assert 0 < slow <= usual / 3 / 8 + 50


@pytest.mark.parametrize("documents", [10_000])
def test_memory_of_a_long_query_with_many_documents(documents: int) -> None:
    """A body of 125 KB: the query's ids are held once, from the tokenizer to the queue."""
    with Reranker() as reranker:
        query = " ".join(random.Random(1).choices(["roof", "river", "stone", "garden"], k=6200))
        texts = [f"d {index}" for index in range(documents)]
        reranker.prompts(query, texts[:1])
        tracemalloc.start()
        asked = []
        for begin in range(0, documents, 256):
            asked += reranker.prompts(query, texts[begin : begin + 256])
        made = plan(asked)
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert asked[0].shared > 7000
    assert len({id(prompt.prefix) for prompt in asked}) == 1
    assert sum(made.costs) == work_of(asked)
    assert held < 600 * documents
    assert peak < 800 * documents
