"""The scheduler with a stand-in for the model: order, fairness, limits, deadlines, cancellation, draining."""

import asyncio
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from fake_models import FakeModel, Recorder, expected, prompts, run

from yesrank.errors import DeadlineExceeded, Draining, InputError, QueueFull
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.scheduler import Scheduler
from yesrank.serve.queue.work import plan
from yesrank.serve.watch.observe import Outcome
from yesrank.types import Prompt

SMALL = Limits(turn_tokens=200, turn_seconds=1e-9)


class Gate:
    """Holds the engine in its first call until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, _: object) -> None:
        self.reached.set()
        assert self.open.wait(10)

    async def wait(self) -> None:
        while not self.reached.is_set():
            await asyncio.sleep(0.001)


def test_every_prompt_gets_its_own_logit_in_its_own_place() -> None:
    async def main() -> None:
        asked = [*prompts(1, 30), *prompts(2, 5), *prompts(1, 30)[::-1]]
        async with Scheduler(SMALL) as scheduler:
            answer = await scheduler.score(FakeModel(), asked)
        assert np.array_equal(answer.logits, expected(asked))
        assert answer.inference_seconds > 0

    run(main())


def test_identical_prompts_are_computed_once() -> None:
    async def main() -> None:
        model, recorder = FakeModel(), Recorder()
        async with Scheduler(SMALL, recorder) as scheduler:
            answer = await scheduler.score(model, prompts(1, 3) * 50)
        assert sum(map(len, model.calls)) == 3
        assert answer.tokens == 20 + 10 + 10
        assert np.array_equal(answer.logits, expected(prompts(1, 3) * 50))
        assert (recorder.requests[0].documents, recorder.requests[0].distinct) == (150, 3)

    run(main())


def test_no_prompts_no_call() -> None:
    async def main() -> None:
        model = FakeModel()
        async with Scheduler() as scheduler:
            assert (await scheduler.score(model, [])).logits.shape == (0,)
        assert not model.calls

    run(main())


def test_a_plan_puts_prompts_with_the_same_beginning_together() -> None:
    mixed = [*prompts(1, 2), *prompts(2, 2), *[Prompt.of((1, *range(1000, 1018), 7), 10)]]
    made = plan(mixed)
    assert [prompt.ids[0] for prompt in made.prompts] == [1, 1, 1, 2, 2]
    assert made.costs == (20, 10, 10, 20, 10)
    assert [made.prompts[place] for place in made.places] == mixed


def test_a_short_request_waits_for_one_turn_behind_ten_thousand_documents() -> None:
    async def main() -> None:
        model = FakeModel(seconds_a_token=2e-6)
        async with Scheduler(SMALL) as scheduler:
            long = asyncio.create_task(scheduler.score(model, prompts(1, 10_000)))
            while len(model.calls) < 3:
                await asyncio.sleep(0.001)
            for seed in range(2, 6):
                before = len(model.calls)
                await scheduler.score(model, prompts(seed, 10))
                turn = next(i for i, call in enumerate(model.calls) if seed in call)
                assert turn - before <= 1
                assert model.calls[turn].count(seed) == 10  # whole, in one call
            assert not long.done()
            assert np.array_equal((await long).logits, expected(prompts(1, 10_000)))

    run(main())


def test_a_stream_of_short_requests_leaves_a_quarter_to_long_ones() -> None:
    async def main() -> None:
        model, gate = FakeModel(), Gate()
        model.before = gate
        async with Scheduler(SMALL) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(1, 100)))]
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 19))) for seed in range(2, 12)]
            await asyncio.sleep(0.01)
            gate.open.set()
            await asyncio.gather(*tasks)
        calls = model.calls[1:]
        assert all(1 not in call or max(call) == 1 for call in calls)  # in turns of their own
        shorts = [call for call in calls if max(call) > 1]
        assert [*dict.fromkeys(seed for call in shorts for seed in call)] == [
            *range(2, 12)
        ]  # as they arrived
        meanwhile = calls[: 1 + calls.index(shorts[-1])]
        assert sum(call.count(1) for call in meanwhile) >= 0.2 * sum(map(len, meanwhile))

    run(main())


def test_a_long_document_is_not_starved_by_short_requests() -> None:
    async def main() -> None:
        model, gate = FakeModel(), Gate()
        model.before = gate
        async with Scheduler(SMALL) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(1, 2, length=300, shared=0)))]
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 19))) for seed in range(2, 22)]
            await asyncio.sleep(0.01)
            gate.open.set()
            await asyncio.gather(*tasks)
        first = next(index for index, call in enumerate(model.calls) if 1 in call)
        assert first <= 8  # 300 tokens at 50 a turn

    run(main())


def test_requests_of_two_turns_are_finished_in_order_of_arrival() -> None:
    async def main() -> None:
        model, gate = FakeModel(), Gate()
        model.before = gate
        async with Scheduler(SMALL) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(1, 1000)))]
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 38))) for seed in range(2, 6)]
            while scheduler.snapshot().requests < 6:  # many prompts are sorted out on another thread
                await asyncio.sleep(0.001)
            gate.open.set()
            answers = await asyncio.gather(*tasks)
        assert np.array_equal(answers[3].logits, expected(prompts(3, 38)))
        calls = [set(call) - {0, 1} for call in model.calls]
        ends = [max(i for i, call in enumerate(calls) if seed in call) for seed in range(2, 6)]
        begins = [min(i for i, call in enumerate(calls) if seed in call) for seed in range(2, 6)]
        assert all(begin >= end for end, begin in zip(ends, begins[1:], strict=False))
        meanwhile = model.calls[1 : 1 + max(ends)]
        assert sum(call.count(1) for call in meanwhile) >= 0.2 * sum(
            map(len, meanwhile)
        )  # the long one's part

    run(main())


def test_one_document_goes_before_requests_of_two_turns_that_came_with_it() -> None:
    async def main() -> None:
        model, gate = FakeModel(), Gate()
        model.before = gate
        async with Scheduler(SMALL) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 38))) for seed in range(2, 6)]
            tasks += [asyncio.create_task(scheduler.score(model, prompts(9, 1)))]
            await asyncio.sleep(0.01)
            gate.open.set()
            await asyncio.gather(*tasks)
        assert 9 in model.calls[1]

    run(main())


def test_a_request_of_two_turns_is_not_starved_by_single_documents() -> None:
    async def main() -> None:
        model = FakeModel(seconds_a_token=1e-4)
        async with Scheduler(SMALL) as scheduler:
            await scheduler.score(model, prompts(0, 10))  # so that the speed is known
            larger = asyncio.create_task(scheduler.score(model, prompts(1, 38)))
            seeds = iter(range(2, 10_000))
            small: set[asyncio.Task[object]] = set()
            while not larger.done():  # there are always more of them than a turn holds
                small = {task for task in small if not task.done()}
                while len(small) < 30:
                    small.add(asyncio.create_task(scheduler.score(model, prompts(next(seeds), 1))))
                await asyncio.sleep(0.001)
            await asyncio.gather(*small)
        last = max(index for index, call in enumerate(model.calls) if 1 in call)
        assert sum(map(len, model.calls[: last + 1])) < 14 * 38

    run(main())


def test_small_requests_share_a_call() -> None:
    async def main() -> None:
        model, gate, recorder = FakeModel(), Gate(), Recorder()
        model.before = gate
        async with Scheduler(SMALL, recorder) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 3))) for seed in range(1, 6)]
            await asyncio.sleep(0.01)
            gate.open.set()
            answers = await asyncio.gather(*tasks)
        assert len(model.calls) == 2
        for seed, answer in enumerate(answers[1:], 1):
            assert np.array_equal(answer.logits, expected(prompts(seed, 3)))
        assert recorder.turns[1].requests == 5
        assert recorder.turns[1].fill == 1.0

    run(main())


def test_two_models_take_turns() -> None:
    async def main() -> None:
        one, two = FakeModel("one"), FakeModel("two")
        order: list[str] = []
        one.before, two.before = lambda _: order.append("one"), lambda _: order.append("two")
        async with Scheduler(SMALL) as scheduler:
            await asyncio.gather(scheduler.score(one, prompts(1, 150)), scheduler.score(two, prompts(2, 150)))
        assert order.index("two") <= 2
        assert all(a != b for a, b in pairwise(order[2:-2]))

    run(main())


@pytest.mark.parametrize("limits", [Limits(queued_requests=3), Limits(queued_tokens=100)])
def test_a_full_queue_says_when_to_come_again(limits: Limits) -> None:
    async def main() -> None:
        model, gate, recorder = FakeModel(), Gate(), Recorder()
        model.before = gate
        async with Scheduler(limits, recorder) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 3))) for seed in (1, 2)]
            await asyncio.sleep(0.01)
            with pytest.raises(QueueFull) as caught:
                await scheduler.score(model, prompts(3, 10))
            with pytest.raises(QueueFull):
                scheduler.check(100)
            assert 1 <= (caught.value.retry_after or 0) <= 600
            if limits.queued_tokens == 100:  # too many requests are refused before the prompts are looked at
                assert recorder.requests[-1].outcome is Outcome.REFUSED
            gate.open.set()
            await asyncio.gather(*tasks)
            await scheduler.score(model, prompts(3, 10))

    run(main())


def test_one_request_above_the_limit_is_taken_when_nothing_waits() -> None:
    async def main() -> None:
        async with Scheduler(Limits(queued_tokens=100, turn_tokens=100)) as scheduler:
            assert len((await scheduler.score(FakeModel(), prompts(1, 500))).logits) == 500

    run(main())


def test_a_deadline_drops_what_has_not_run() -> None:
    async def main() -> None:
        model, recorder = FakeModel(seconds_a_token=1e-4), Recorder()
        async with Scheduler(SMALL, recorder) as scheduler:
            with pytest.raises(DeadlineExceeded, match="of 1000 documents"):
                await scheduler.score(
                    model, prompts(1, 1000), deadline=asyncio.get_running_loop().time() + 0.1
                )
            assert scheduler.snapshot().tokens == scheduler.snapshot().requests == 0
            await scheduler.score(model, prompts(2, 1))
        assert sum(call.count(1) for call in model.calls) < 300
        assert [report.outcome for report in recorder.requests] == [Outcome.DEADLINE, Outcome.DONE]

    run(main())


def test_a_cancelled_request_never_runs() -> None:
    async def main() -> None:
        model, gate, recorder = FakeModel(), Gate(), Recorder()
        model.before = gate
        async with Scheduler(SMALL, recorder) as scheduler:
            first = asyncio.create_task(scheduler.score(model, prompts(1, 1)))
            await gate.wait()
            gone = asyncio.create_task(scheduler.score(model, prompts(2, 50)))
            await asyncio.sleep(0.01)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            gate.open.set()
            await first
            await scheduler.score(model, prompts(3, 1))
        assert not any(2 in call for call in model.calls)
        assert recorder.requests[0].outcome is Outcome.CANCELLED

    run(main())


def test_draining_finishes_what_was_accepted_and_takes_nothing_new() -> None:
    async def main() -> None:
        model = FakeModel(seconds_a_token=1e-5)
        async with Scheduler(SMALL) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(seed, 100))) for seed in (1, 2, 3)]
            await asyncio.sleep(0.005)
            draining = asyncio.create_task(scheduler.drain())
            await asyncio.sleep(0)
            with pytest.raises(Draining) as caught:
                await scheduler.score(model, prompts(4, 1))
            assert caught.value.retry_after
            await draining
            assert scheduler.snapshot().draining
            for task in tasks:
                assert len((await task).logits) == 100

    run(main())


def test_closing_fails_what_still_waits() -> None:
    async def main() -> None:
        model, gate = FakeModel(), Gate()
        model.before = gate
        scheduler = Scheduler(SMALL)
        scheduler.start()
        tasks = [asyncio.create_task(scheduler.score(model, prompts(seed, 1))) for seed in (1, 2)]
        await gate.wait()
        closing = asyncio.create_task(scheduler.close())
        await asyncio.sleep(0.01)
        gate.open.set()
        await closing
        await scheduler.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [Draining, Draining]

    run(main())


def test_the_event_loop_stays_awake_while_the_engine_runs() -> None:
    async def main() -> None:
        gaps: list[float] = []

        async def tick() -> None:
            last = time.monotonic()
            while True:
                await asyncio.sleep(0.001)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()

        model = FakeModel(seconds_a_token=2e-5)
        async with Scheduler() as scheduler:
            ticking = asyncio.create_task(tick())
            await scheduler.score(model, prompts(1, 3000))
            ticking.cancel()
        assert len(gaps) > 50
        assert sorted(gaps)[int(len(gaps) * 0.95)] < 0.05  # others may hold the processor for a while

    run(main())


@pytest.mark.parametrize(
    "field", ["queued_tokens", "queued_requests", "turn_tokens", "turn_seconds", "hang_seconds"]
)
def test_limits_must_be_positive(field: str) -> None:
    with pytest.raises(InputError, match=field):
        Limits(**{field: 0})


def test_turns_of_a_fast_model_grow_while_no_short_request_comes() -> None:
    async def main() -> None:
        model = FakeModel()
        async with Scheduler(Limits(turn_tokens=200, turn_seconds=10)) as scheduler:
            await scheduler.score(model, prompts(1, 1000))
            assert max(map(len, model.calls)) == 80
            await scheduler.score(model, prompts(2, 1))
            await scheduler.score(model, prompts(3, 1000))
            assert max(call.count(3) for call in model.calls[:-1]) <= 20

    run(main())


def test_turns_are_twice_as_large_when_many_short_requests_wait() -> None:
    async def main() -> None:
        model, gate = FakeModel(), Gate()
        model.before = gate
        async with Scheduler(SMALL) as scheduler:
            tasks = [asyncio.create_task(scheduler.score(model, prompts(0, 1)))]
            await gate.wait()
            tasks += [asyncio.create_task(scheduler.score(model, prompts(seed, 19))) for seed in range(1, 21)]
            await asyncio.sleep(0.01)
            gate.open.set()
            await asyncio.gather(*tasks)
        assert [len(call) for call in model.calls[1:]] == [38] * 6 + [19] * 8

    run(main())
