"""Every way through a pool's states, in any order of the loop: nobody waits for nothing, and no engine is lost.

Threads are steps of the test: each ends when a rule ends it, well or badly, or never.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from fake_models import FakeScorer
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from shuffled_loop import ShuffledLoop

from yesrank.errors import ModelError, ServerError
from yesrank.serve import threads
from yesrank.serve.models import keeper
from yesrank.serve.models.handle import Handle
from yesrank.serve.models.pool import ModelSpec, Pool, PoolOptions
from yesrank.serve.watch.observe import State
from yesrank.types import Prompt

NAMES = ["a", "b", "c"]
LOADED = (State.READY, State.UNLOADING)
names, turns = st.sampled_from(NAMES), st.integers(0, 4)


class Scorer(FakeScorer):
    """closings: how often it was closed, which raises for every fifth."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.closings = number, 0

    def prompts(self, query: str, documents: object, **_: object) -> list[Prompt]:
        return [Prompt.of((1,))]

    def close(self) -> None:
        self.closings += 1
        self.closed = True
        if self.number % 5 == 4:
            raise RuntimeError("it ends badly")


@dataclass(eq=False)
class User:
    """Somebody who uses a model until he is let go. breaks: its engine breaks under him, and he waits for another."""

    name: str
    breaks: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)
    handle: Handle | None = None


class Machine(RuleBasedStateMachine):
    """Three models, and memory for some of them. seen: what happened in all runs, which shows the test's reach."""

    seen: ClassVar[Counter[str]] = Counter()

    @initialize(
        seed=st.integers(0, 2**32),
        room=st.integers(1, 3),
        idle=st.sampled_from([None, 20.0]),
        hung=st.booleans(),
    )
    def begin(self, seed: int, room: int, idle: float | None, hung: bool) -> None:
        self.hung = hung
        self.loop = ShuffledLoop(seed)
        self.threads: list[tuple[str, Callable[[], None]]] = []
        self.scorers: list[Scorer] = []
        self.users: list[User] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.error: BaseException | None = None
        self.folders = dict.fromkeys(NAMES, 0)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(
            threads, "start_thread", lambda name, function: self.threads.append((name, function))
        )

        def available() -> int:
            return room - sum(not scorer.closings for scorer in self.scorers)

        options = PoolOptions(
            idle_seconds=idle,
            open=self.open,
            available=available,
            needed=lambda _: 1,
            look=lambda spec: self.folders[spec.name],
        )
        self.pool = Pool([ModelSpec(name) for name in NAMES], options)
        self.loop.call_soon(self.pool.start)
        self.turn(1)

    def open(self, _: ModelSpec) -> Scorer:
        if self.error is not None:
            raise self.error
        self.scorers.append(Scorer(len(self.scorers)))
        return self.scorers[-1]

    def start(self, work: object, count: int) -> None:
        self.tasks.append(self.loop.create_task(work))
        self.turn(count)

    def turn(self, count: int) -> None:
        for _ in range(count):
            self.loop.turn()

    @rule(name=names, seconds=st.none() | st.floats(0, 30), count=turns)
    def use(self, name: str, seconds: float | None, count: int) -> None:
        user = User(name, breaks=len(self.tasks) % 3 == 0)
        deadline = None if seconds is None else self.loop.time() + seconds

        async def work() -> None:
            async with self.pool.use(name, deadline=deadline) as handle:
                assert handle.state in LOADED or broken(handle)
                self.seen["use"] += 1
                user.handle = handle
                self.users.append(user)
                try:
                    await user.go.wait()
                    if user.breaks:
                        await handle.reload(abandoned=False)
                finally:
                    self.users.remove(user)

        self.start(work(), count)

    @rule(name=names, count=turns)
    def get(self, name: str, count: int) -> None:
        self.start(self.pool.load(name), count)

    @rule(name=names, count=turns)
    def unload(self, name: str, count: int) -> None:
        self.start(self.pool.unload(name), count)

    @rule(name=names, abandoned=st.booleans(), count=turns)
    def break_down(self, name: str, abandoned: bool, count: int) -> None:
        self.start(self.pool.find(name).reload(abandoned=abandoned), count)

    @precondition(lambda self: self.users)
    @rule(data=st.data(), count=turns)
    def let_go(self, data: st.DataObject, count: int) -> None:
        data.draw(st.sampled_from(self.users)).go.set()
        self.turn(count)

    @precondition(lambda self: any(not task.done() for task in self.tasks))
    @rule(data=st.data(), count=turns)
    def cancel(self, data: st.DataObject, count: int) -> None:
        data.draw(st.sampled_from([task for task in self.tasks if not task.done()])).cancel()
        self.turn(count)

    @rule(error=st.just(None))
    def let_threads_end(self, error: BaseException | None = None) -> None:
        """All of them; one of a load that is wanted is followed by the next."""
        self.error = error
        while self.threads:
            self.threads.pop(0)[1]()
            self.settle()
        self.error = None

    @rule(name=names, before=turns, after=turns)
    def cancel_as_it_comes(self, name: str, before: int, after: int) -> None:
        """Somebody goes away in the turns in which his model is loaded."""
        self.use(name, None, 0)
        task = self.tasks[-1]
        before += 2  # from the end of a thread to the task that waits behind the keeper
        for _ in range(3):
            self.settle()
            if self.threads and not task.done():
                self.threads.pop()[1]()
                self.turn(before)
        task.cancel()
        self.turn(after)

    @rule(
        name=names,
        then=st.sampled_from(["unload", "break_down", "break_for_good", "use", "get", None]),
        count=turns,
    )
    def use_loaded(self, name: str, then: str | None, count: int) -> None:
        """What takes many steps by chance: a model in use, and something happens to it."""
        self.use(name, None, count)
        self.let_threads_end()
        if then == "use":
            self.use(name, 20.0, count)
        elif then == "break_down":
            self.break_down(name, False, count)
        elif then == "break_for_good":
            self.break_down(name, True, count)
            self.let_threads_end(ModelError("x"))
        elif then is not None:
            getattr(self, then)(name, count)

    @precondition(lambda self: self.threads)
    @rule(
        data=st.data(),
        error=st.sampled_from([None, None, None, None, ModelError("x"), SystemExit(), StopIteration()]),
        count=turns,
    )
    def end_thread(self, data: st.DataObject, error: BaseException | None, count: int) -> None:
        self.error = error
        self.threads.pop(data.draw(st.integers(0, len(self.threads) - 1)))[1]()
        self.error = None
        self.turn(count)

    @rule(name=names)
    def change_folder(self, name: str) -> None:
        self.folders[name] += 1

    @rule(seconds=st.sampled_from([0.5, 2.0, 11.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.loop.now += seconds
        self.settle()

    @rule()
    def settle(self) -> None:
        self.loop.settle()
        waiting = [task for task in self.tasks if not task.done()]
        if not self.threads:  # then only users can be waited for
            assert len(waiting) == len(self.users) or self.users
        for name in NAMES:
            handle = self.pool.find(name)
            assert handle.leases == sum(user.handle is handle for user in self.users)

    @invariant()
    def engines(self) -> None:
        if not hasattr(self, "pool"):
            return
        open_ones = [handle.scorer for handle in map(self.pool.find, NAMES) if handle.scorer is not None]
        assert len(open_ones) == len(set(map(id, open_ones)))
        for handle in map(self.pool.find, NAMES):
            self.seen[f"{handle.state} {'in use' if handle.leases else 'unused'}"] += 1
            assert handle.scorer is None or handle.state in LOADED
            assert handle.state is not State.READY or handle.scorer is not None
            assert handle.state is not State.UNLOADING or handle.scorer is not None or not handle.leases
            assert handle.scorer is None or not handle.scorer.closed
            assert handle.leases >= sum(user.handle is handle for user in self.users)
            assert not handle.leases or handle.state in LOADED or broken(handle)
        assert all(scorer.closings <= 1 for scorer in self.scorers)

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        try:
            self.end(hung=self.hung)
        finally:
            self.patch.undo()
            self.loop.close()

    def end(self, *, hung: bool) -> None:
        """All that waits comes to an end, though threads that run may never do; then the pool is closed."""
        hanging = self.threads[:] if hung else []
        del self.threads[: len(hanging)]
        for _ in range(12):
            for user in self.users:
                user.go.set()
            while self.threads:
                self.threads.pop()[1]()
                self.loop.settle()
            self.loop.now += keeper._LOAD_SECONDS / 3
            self.loop.settle()
        assert all(task.done() for task in self.tasks)
        assert not any(self.pool.find(name).leases for name in NAMES)
        assert all(
            task.cancelled() or isinstance(task.exception(), ServerError | None) for task in self.tasks
        )
        self.threads += hanging
        self.close()

    def close(self) -> None:
        last = [self.loop.create_task(self.pool.load(name)) for name in NAMES]
        self.loop.turn()
        for _ in range(2):  # a load ends in the very turns in which nobody waits for it any more
            self.loop.settle()
            if self.threads:
                self.threads.pop()[1]()
        self.turn(len(self.tasks) % 4)
        closing = self.loop.create_task(self.pool.close())
        self.loop.settle()
        self.loop.now += keeper._PATIENCE
        self.loop.settle()
        assert closing.done()
        assert all(task.done() for task in last)
        closing.result()
        for task in last:
            task.exception()
        while self.threads:
            self.threads.pop()[1]()
            self.loop.settle()
        assert [scorer.closings for scorer in self.scorers] == [1] * len(self.scorers)
        assert not asyncio.all_tasks(self.loop)


def broken(handle: Handle) -> bool:
    """Its engine broke while it was used: it is being replaced, or could not be."""
    return handle.state in (State.LOADING, State.FAILED)


def test_every_way_through_the_states() -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate,),  # a shorter way to the same failure takes minutes
            suppress_health_check=checks,
        ),
    )
    reached = ["use", *(f"{state} {leases}" for state in State for leases in ("in use", "unused"))]
    reached.remove("unloaded in use")  # never: that is what a lease is for
    assert set(Machine.seen) == set(reached)
    assert min(Machine.seen.values()) >= 5, Machine.seen
