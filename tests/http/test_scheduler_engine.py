"""The scheduler and the pool over the real engine and the built-in model."""

import asyncio
import random
import time

import numpy as np
from fake_models import run

from yesrank import Reranker
from yesrank.bench.documents import synthetic_documents, synthetic_query
from yesrank.serve.models.pool import ModelSpec, Pool, self_test
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.scheduler import Scheduler
from yesrank.serve.requests import RerankRequest
from yesrank.types import FloatArray

SPEC = ModelSpec("builtin", precision="f32")
CLIENTS = 32
KINDS = (1, 10, 10, 1, 1000)


def request(seed: int, size: int) -> RerankRequest:
    """Documents of a few words, some of them twice; every third client asks the same as its neighbour."""
    documents = synthetic_documents(max(1, size - size // 10), 4, seed)
    documents += random.Random(seed).sample(documents, size - len(documents))
    return RerankRequest("test", (synthetic_query(seed // 3),), tuple(documents))


async def client(pool: Pool, scheduler: Scheduler, asked: RerankRequest) -> FloatArray:
    async with pool.use() as model:
        return (await scheduler.score(model, (await pool.prompts(model, asked)).prompts)).logits


def test_many_clients_get_what_a_single_thread_gets() -> None:
    """Mixed sizes at once: nothing lost, nothing twice, order and scores as without a server; the loop stays awake."""
    requests = [
        request(seed, 400 if seed in (3, 17) else KINDS[seed % 5] % 1000 or 40) for seed in range(CLIENTS)
    ]
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.002)
            gaps.append(time.monotonic() - began)

    async def main() -> None:
        async with Pool([SPEC]) as pool, Scheduler() as scheduler:
            async with pool.use() as model:
                await self_test(model, scheduler)
            ticking = asyncio.create_task(tick())
            answers.extend(await asyncio.gather(*(client(pool, scheduler, asked) for asked in requests)))
            ticking.cancel()

    answers: list[FloatArray] = []
    run(main())
    fresh = Reranker(precision="f32")
    for asked, answer in zip(requests, answers, strict=True):
        alone, _ = fresh.judge(fresh.prompts(asked.queries[0], asked.documents))
        assert answer.shape == (len(asked.documents),)
        np.testing.assert_allclose(answer, alone, atol=1e-5)
        first = {text: index for index, text in reversed(list(enumerate(asked.documents)))}
        assert all(answer[index] == answer[first[text]] for index, text in enumerate(asked.documents))
    assert sorted(gaps)[len(gaps) * 9 // 10] < 0.1


def test_ten_documents_do_not_wait_for_a_thousand() -> None:
    async def main() -> None:
        async with Pool([SPEC]) as pool, Scheduler(Limits(turn_tokens=512)) as scheduler:
            long = asyncio.create_task(client(pool, scheduler, request(100, 1000)))
            while not scheduler.snapshot().requests:
                await asyncio.sleep(0.001)
            before = scheduler.snapshot().tokens
            await client(pool, scheduler, request(200, 10))
            assert not long.done()
            assert scheduler.snapshot().tokens > before - 5 * 512
            await long

    run(main())
