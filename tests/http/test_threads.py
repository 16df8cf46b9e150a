"""Results of threads that nobody waits for any more, and what is no Exception."""

import asyncio
import threading

import pytest
from fake_models import run

from yesrank.serve.threads import in_thread


def test_a_result_that_comes_too_late_is_handed_over() -> None:
    go, lost = threading.Event(), threading.Event()

    def work() -> str:
        go.wait(20)
        return "result"

    def late(result: str) -> None:
        assert result == "result"
        lost.set()
        raise RuntimeError("nobody hears of it")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await in_thread("yesrank-test", work, lost=late)
        go.set()
        while not lost.is_set():
            await asyncio.sleep(0.01)

    run(main())
    go.clear(), lost.clear()

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await in_thread("yesrank-test", work, lost=late)

    run(leave())
    go.set()  # the loop is closed
    assert lost.wait(20)


@pytest.mark.parametrize(
    "error", [SystemExit(3), StopIteration(), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_what_is_no_exception_ends_no_task_but_its_own(error: BaseException) -> None:
    def work() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(RuntimeError, match=type(error).__name__):
            await in_thread("yesrank-test", work)

    run(main())
