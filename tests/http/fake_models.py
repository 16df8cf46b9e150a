"""Models for tests of scheduler and pool: what they do, and for how long, is up to the test."""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence

import numpy as np

from yesrank.serve.watch.observe import RequestReport, State, TurnReport
from yesrank.types import EngineInfo, FloatArray, Ids, Prompt

SECONDS = 20.0  # no test takes longer: one that hangs fails


class Clock:
    """A loop's time, which a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def advance(self, seconds: float | None) -> None:
        assert seconds is not None
        self.seconds += seconds


def run(test: Coroutine[object, object, None], clock: Clock | None = None) -> None:
    """asyncio.run with a limit. clock: the loop's, which stands still unless it is moved on; then without a limit."""

    async def limited() -> None:
        if clock is not None:
            asyncio.get_running_loop().time = lambda: clock.seconds  # type: ignore[method-assign]
        async with asyncio.timeout(SECONDS if clock is None else None):
            await test

    asyncio.run(limited())


def prompts(seed: int, count: int, *, length: int = 20, shared: int = 10) -> list[Prompt]:
    """Distinct prompts: the seed stands first, the number last, and 1000 more are the same in all."""
    ids = (seed, *range(1000, 1000 + length - 2))
    prefix = Ids(ids[:shared])
    return [Prompt(prefix, Ids((*ids[shared:], index))) for index in range(count)]


def expected(asked: Sequence[Prompt]) -> FloatArray:
    """What FakeModel answers."""
    return np.array([_seed(prompt) + prompt.own.array[-1] / 1000 for prompt in asked], np.float32)


def _seed(prompt: Prompt) -> int:
    return int(prompt.part(0, 1)[0])


class FakeModel:
    """A model of the scheduler. before: called with each call's prompts, and may sleep or raise.

    calls: (seed, number of prompts) of each request's part, a list a call. rows: overwrites the logits.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        before: Callable[[Sequence[Prompt]], None] | None = None,
        after: Callable[[Sequence[Prompt], FloatArray], FloatArray] | None = None,
        seconds_a_token: float = 0.0,
    ) -> None:
        self.name = name
        self.before, self.after = before, after
        self.seconds_a_token = seconds_a_token
        self.calls: list[list[int]] = []
        self.kept: list[frozenset[Ids]] = []
        self.reloads: list[bool] = []
        self.broken = False

    def logits(self, asked: Sequence[Prompt]) -> FloatArray:
        assert threading.current_thread().name == "yesrank-engine"
        self.calls.append([*map(_seed, asked)])
        if self.broken:
            raise RuntimeError("broken, and the text of a document")
        if self.before is not None:
            self.before(asked)
        if self.seconds_a_token:
            time.sleep(self.seconds_a_token * sum(len(prompt.own) for prompt in asked))
        logits = expected(asked)
        return self.after(asked, logits) if self.after is not None else logits

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        assert threading.current_thread().name == "yesrank-engine"
        self.kept.append(frozenset(prefixes))

    def begin(self, prompt: Prompt, tokens: int) -> int:
        return 0

    def healthy(self) -> bool:
        return not self.broken

    async def reload(self, *, abandoned: bool) -> None:
        self.reloads.append(abandoned)
        await asyncio.sleep(0.01)
        self.broken = False


class FakeScorer:
    """What the pool opens: prompts are character codes."""

    def __init__(self) -> None:
        self.info = EngineInfo("fake", "CPU", "f32", 4, 1, 0)
        self.closed = False
        self.hold: threading.Event | None = None  # a call that `close` waits for

    def prompts(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        max_document_tokens: int | None = None,
    ) -> list[Prompt]:
        assert threading.current_thread() is not threading.main_thread()
        head = tuple(map(ord, query))
        cut = [document[:max_document_tokens] for document in documents]
        return [
            Prompt.of((*head, *map(ord, short)), len(head), truncated=short != document)
            for short, document in zip(cut, documents, strict=True)
        ]

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None: ...

    def begin(self, prompt: Prompt, tokens: int) -> int:
        return 0

    def logits(self, asked: Sequence[Prompt]) -> FloatArray:
        assert not self.closed
        return np.array([len(prompt.ids) for prompt in asked], np.float32)

    def close(self) -> None:
        if self.hold is not None:
            self.hold.wait(SECONDS)
        self.closed = True


class Recorder:
    """An Observer that remembers."""

    def __init__(self) -> None:
        self.turns: list[TurnReport] = []
        self.requests: list[RequestReport] = []
        self.reloads: list[tuple[str, str]] = []
        self.states: list[tuple[str, State]] = []

    def turn(self, report: TurnReport) -> None:
        self.turns.append(report)

    def request(self, report: RequestReport) -> None:
        self.requests.append(report)

    def reload(self, model: str, reason: str) -> None:
        self.reloads.append((model, reason))

    def state(self, model: str, state: State) -> None:
        self.states.append((model, state))
