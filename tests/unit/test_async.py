"""`arank` and `ascore`: off the event loop, in turn, and nothing goes on for who is cancelled."""

import asyncio
import threading

import pytest

from yesrank import Reranker
from yesrank.errors import EngineError, InputError

DOCUMENTS = [f"document {number}" for number in range(200)]
SECONDS = 60


@pytest.fixture(scope="module")
def reranker(folders) -> Reranker:
    return Reranker(folders["bf16"], precision="f32")


class Gate:
    """A progress function that stops the work at its first call, until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened, self.calls = threading.Event(), threading.Event(), 0

    def __call__(self, done: int) -> None:
        self.calls += 1
        self.reached.set()
        assert self.opened.wait(SECONDS)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, SECONDS)


def test_the_same_answers(reranker: Reranker) -> None:
    async def both():
        ranked = reranker.arank("q", iter(DOCUMENTS[:9]), top_n=4, threshold=0.0, instruction="i")
        scored = reranker.ascore((("q", text) for text in DOCUMENTS[:5]), instruction="i")
        return await asyncio.gather(ranked, scored)

    ranking, scores = asyncio.run(both())
    assert ranking == reranker.rank("q", DOCUMENTS[:9], top_n=4, instruction="i")
    assert [*scores] == [*reranker.score([("q", text) for text in DOCUMENTS[:5]], instruction="i")]


def test_the_loop_goes_on(reranker: Reranker) -> None:
    async def main() -> int:
        gate = Gate()
        task = asyncio.create_task(reranker.arank("q", DOCUMENTS, progress=gate))
        await gate.wait()
        turns = 0
        for _ in range(100):  # while the engine's thread stands still
            await asyncio.sleep(0)
            turns += not task.done()
        gate.opened.set()
        assert len(await task) == len(DOCUMENTS)
        return turns

    assert asyncio.run(main()) == 100


def test_cancelled_work_ends_and_harms_no_other(reranker: Reranker) -> None:
    async def main():
        gate, told = Gate(), []
        running = asyncio.create_task(reranker.arank("q", DOCUMENTS, progress=gate))
        await gate.wait()
        waiting = asyncio.create_task(reranker.arank("q", DOCUMENTS, progress=told.append))
        after = asyncio.create_task(reranker.ascore([("q", "d")]))
        await asyncio.sleep(0)
        for task in (running, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        gate.opened.set()
        return gate.calls, told, await after

    calls, told, scores = asyncio.run(main())
    assert calls == 1  # the next report ended it
    assert told == []  # never begun
    assert [*scores] == [*reranker.score([("q", "d")])]
    assert len(reranker.rank("q", DOCUMENTS)) == len(DOCUMENTS)


def test_a_time_limit_is_a_cancellation(reranker: Reranker) -> None:
    async def main() -> None:
        gate = Gate()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await reranker.arank("q", DOCUMENTS, progress=gate)
        gate.opened.set()

    asyncio.run(main())


def test_bad_input_is_told_before_anything_is_done(reranker: Reranker) -> None:
    with pytest.raises(InputError, match="query"):
        asyncio.run(reranker.arank(" ", ["d"]))
    with pytest.raises(InputError, match=r"pairs\[0\]"):
        asyncio.run(reranker.ascore(["qd"]))


def test_close_drops_what_waits_and_says_so(folders) -> None:
    async def main() -> None:
        gate = Gate()
        opened = Reranker(folders["bf16"])
        running = asyncio.create_task(opened.arank("q", DOCUMENTS[:3], progress=gate))
        await gate.wait()
        waiting = asyncio.create_task(opened.arank("q", DOCUMENTS))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(opened.close))
        with pytest.raises(EngineError, match="closed"):
            await waiting
        gate.opened.set()
        assert len(await running) == 3
        await closing
        with pytest.raises(EngineError, match="closed"):
            await opened.arank("q", ["d"])

    asyncio.run(main())


def test_a_warning_points_at_the_caller(reranker: Reranker) -> None:
    async def main() -> None:
        await reranker.arank("Query: q", ["d"])

    with pytest.warns(UserWarning, match="label") as caught:
        asyncio.run(main())
    assert caught[0].filename == __file__
