"""Engines that raise, return NaN, break or hang: only the guilty request fails, and the model comes back."""

import asyncio
import logging
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from fake_models import FakeModel, Recorder, expected, prompts, run

from yesrank.errors import EngineError, InputError, ModelError, YesrankError
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.scheduler import Scheduler
from yesrank.serve.watch.observe import Outcome
from yesrank.types import FloatArray, Prompt

POISON = 13
LIMITS = Limits(turn_tokens=200, turn_seconds=1e-9, hang_seconds=0.15)


def raise_for_poison(asked: Sequence[Prompt]) -> None:
    if any(prompt.ids[0] == POISON for prompt in asked):
        raise RuntimeError("this quotes a document")


def nan_for_poison(asked: Sequence[Prompt], logits: FloatArray) -> FloatArray:
    return np.where([prompt.ids[0] == POISON for prompt in asked], np.float32(np.nan), logits)


async def five_at_once(scheduler: Scheduler, model: FakeModel) -> list[object]:
    """Results of requests 11 to 15, which wait together, so that they share a call."""
    reached, go = threading.Event(), threading.Event()
    behaviour = model.before

    def hold(_: Sequence[Prompt]) -> None:
        model.before = behaviour
        reached.set()
        assert go.wait(5)

    model.before = hold
    first = asyncio.create_task(scheduler.score(model, prompts(1, 1)))
    while not reached.is_set():
        await asyncio.sleep(0.001)
    tasks = [asyncio.create_task(scheduler.score(model, prompts(seed, 3))) for seed in range(11, 16)]
    await asyncio.sleep(0.01)
    go.set()
    await first
    return list(await asyncio.gather(*tasks, return_exceptions=True))


def only_the_guilty_failed(results: list[object], kind: type[BaseException] = EngineError) -> None:
    for seed, result in enumerate(results, 11):
        if seed == POISON:
            assert isinstance(result, kind)
            assert "document" not in str(result) or "NaN" in str(result)
        else:
            assert np.array_equal(result.logits, expected(prompts(seed, 3)))


def test_a_request_that_makes_the_engine_raise_fails_alone() -> None:
    async def main() -> None:
        model, recorder = FakeModel(before=raise_for_poison), Recorder()
        async with Scheduler(LIMITS, recorder) as scheduler:
            only_the_guilty_failed(await five_at_once(scheduler, model))
        assert not recorder.reloads
        assert [report.outcome for report in recorder.requests].count(Outcome.FAILED) == 1
        assert [turn.failed for turn in recorder.turns].count(True) == 2

    run(main())


def test_nan_fails_its_own_request_only() -> None:
    async def main() -> None:
        model, recorder = FakeModel(after=nan_for_poison), Recorder()
        async with Scheduler(LIMITS, recorder) as scheduler:
            only_the_guilty_failed(await five_at_once(scheduler, model))
        assert not recorder.reloads
        assert len(model.calls) == 2  # the others keep what the shared call gave them

    run(main())


def test_an_input_error_of_the_engine_reaches_its_request_as_it_is() -> None:
    def refuse(asked: Sequence[Prompt]) -> None:
        if any(prompt.ids[0] == POISON for prompt in asked):
            raise InputError("prompts[0]", "is too long")

    async def main() -> None:
        async with Scheduler(LIMITS) as scheduler:
            only_the_guilty_failed(await five_at_once(scheduler, FakeModel(before=refuse)), InputError)

    run(main())


def test_an_engine_that_broke_is_loaded_anew_and_the_work_goes_on() -> None:
    async def main() -> None:
        model, recorder = FakeModel(), Recorder()

        def break_down(_: Sequence[Prompt]) -> None:
            model.before, model.broken = None, True
            raise RuntimeError

        async with Scheduler(LIMITS, recorder) as scheduler:
            model.before = break_down
            asked = prompts(1, 100)
            other = FakeModel("other")
            answer, unharmed = await asyncio.gather(
                scheduler.score(model, asked), scheduler.score(other, prompts(2, 50))
            )
        assert np.array_equal(answer.logits, expected(asked))
        assert np.array_equal(unharmed.logits, expected(prompts(2, 50)))
        assert model.reloads == [False]
        assert recorder.reloads == [("fake", "crash")]

    run(main())


def test_nan_for_everything_means_a_new_engine() -> None:
    async def main() -> None:
        model = FakeModel(after=lambda asked, logits: logits * np.float32(np.nan))
        model.healthy = lambda: not np.isnan(model.after(None, np.ones(1))).any() if model.after else True
        async with Scheduler(LIMITS) as scheduler:
            with pytest.raises(EngineError, match="NaN"):
                await scheduler.score(model, prompts(1, 2))
            model.after = None
            await scheduler.score(model, prompts(1, 2))
        assert model.reloads == [False]

    run(main())


def test_requests_fail_when_the_model_cannot_be_loaded_again() -> None:
    async def main() -> None:
        model = FakeModel()
        model.broken = True

        async def fail(*, abandoned: bool) -> None:
            raise ModelError("the folder is gone")

        model.reload = fail
        async with Scheduler(LIMITS) as scheduler:
            with pytest.raises(YesrankError, match="folder is gone"):
                await scheduler.score(model, prompts(1, 100))
            model.broken = False
            assert len((await scheduler.score(model, prompts(1, 5))).logits) == 5

    run(main())


@pytest.mark.parametrize("together", [False, True])
def test_a_call_that_hangs_is_given_up_and_others_go_on(*, together: bool) -> None:
    release = threading.Event()

    def hang_for_poison(asked: Sequence[Prompt]) -> None:
        if any(prompt.ids[0] == POISON for prompt in asked):
            release.wait(15)

    async def main() -> None:
        model, recorder = FakeModel(before=hang_for_poison), Recorder()
        async with Scheduler(LIMITS, recorder) as scheduler:
            if together:
                only_the_guilty_failed(await five_at_once(scheduler, model))
                assert recorder.reloads == [("fake", "hang")] * 2
            else:
                with pytest.raises(EngineError, match="no answer"):
                    await scheduler.score(model, prompts(POISON, 3))
                assert recorder.reloads == [("fake", "hang")]
            assert all(model.reloads)
            release.set()  # the abandoned thread ends without touching anything
            await asyncio.sleep(0.05)
            answer = await scheduler.score(model, prompts(2, 30))
            assert np.array_equal(answer.logits, expected(prompts(2, 30)))

    run(main())


def test_no_text_of_a_document_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        model = FakeModel(before=raise_for_poison)
        async with Scheduler(LIMITS) as scheduler:
            with pytest.raises(EngineError) as caught:
                await scheduler.score(model, prompts(POISON, 1))
        assert "quotes" not in str(caught.value)

    run(main())
    assert "RuntimeError" in caplog.text
    assert "quotes" not in caplog.text
