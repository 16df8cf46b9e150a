"""The workers of a cluster, from the side that gives them work and takes their rows. Whatever dies, each comes once.

Actors, and not a stream of Ray Data: there, one exception ends all, calls are repeated with their side effects, and
partitions are not ours. Here a lost worker costs the two that it had; they go to another, and nothing was written.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from yesrank.errors import JobError, YesrankError
from yesrank.jobs.cluster import Cluster, Node, alive, check_settings, connected, ray_module, wait
from yesrank.jobs.pairs import Failure, Partition, Rows
from yesrank.jobs.pieces import Item, Pieces
from yesrank.jobs.run import Workers
from yesrank.jobs.worker import OpenJudge, Worker
from yesrank.store import Entry
from yesrank.store.opening import open_entry
from yesrank.types import Progress

WORKER = "worker"
"""The kind of failure of a pair that ends the process which computes it."""
_AHEAD = 2  # partitions that a worker has: it need not wait for the next one
_TRIES = 3
_DEATHS = 9
"""So many in a row, without a result between them, are no fault of a pair, which takes six at the most."""
_START_SECONDS = 600.0
_NOTE_SECONDS = 60.0
_RESUME = "what is done is kept; run the same command again"


@dataclass(frozen=True, slots=True)
class Model:
    """What the workers are told. settings: what their rows must depend on; options: as for settings_of."""

    entry: Entry
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    open_judge: OpenJudge = open_entry


def on_cluster(cluster: Cluster, model: Model, note: Callable[[str], None]) -> Workers:
    """Workers that are processes of a Ray cluster, each checked before work goes to it.

    Raises JobError, MissingExtra, or what a worker raises; the rows that were given until then are whole.
    """

    def work(partitions: Sequence[Partition], report: Progress) -> Iterator[tuple[Partition, Rows]]:
        with connected(cluster) as nodes:
            crew = _Crew(ray_module(), _shape(cluster, nodes, len(partitions)), model, note)
            try:
                for partition, rows in crew.rows(partitions):
                    report(len(partition.pairs))
                    yield partition, rows
            finally:
                crew.end()

    return work


@dataclass(frozen=True, slots=True)
class _Shape:
    workers: int
    cpus: int
    gpus: float


def _shape(cluster: Cluster, nodes: Sequence[Node], partitions: int) -> _Shape:
    """One worker a node with all of its CPUs, or so many with their share of them."""
    sizes = [node.cpus for node in nodes]
    workers = cluster.workers or len(nodes)
    share = min(sizes) if cluster.workers is None else min(max(sizes), max(1, sum(sizes) // workers))
    cpus = cluster.cpus or share
    if cpus > max(sizes):
        raise JobError(
            f"a worker of {cpus} CPUs fits on no node: the largest has {max(sizes)}",
            "ask for fewer CPUs a worker",
        )
    return _Shape(min(workers, max(partitions, 1)), cpus, cluster.gpus or 0)


@dataclass(slots=True, eq=False)
class _Member:
    actor: Any
    node: str | None = None
    slot: int = 0
    ready: bool = False
    items: dict[Any, Item] = field(default_factory=dict)


class _Crew:
    def __init__(self, ray: Any, shape: _Shape, model: Model, note: Callable[[str], None]) -> None:
        self._ray, self._shape, self._model, self._note = ray, shape, model, note
        self._class = ray.remote(Worker).options(
            num_cpus=shape.cpus,
            num_gpus=shape.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        self._members: list[_Member] = []
        self._steps: dict[Any, tuple[_Member, Callable[[_Member, Any], None]]] = {}
        self._todo: deque[Item] = deque()
        self._pieces = Pieces()
        self._done: list[tuple[Partition, Rows]] = []
        self._deaths = 0

    def rows(self, partitions: Sequence[Partition]) -> Iterator[tuple[Partition, Rows]]:
        """Each partition once, in the order in which they get done."""
        self._todo.extend(Item(partition) for partition in partitions)
        left = len(partitions)
        while left:
            self._fill()
            self._take()
            for done in self._done:
                left -= 1
                yield done
            self._done.clear()

    def end(self) -> None:
        """Takes the workers off the cluster."""
        for member in self._members:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(member.actor)

    def _fill(self) -> None:
        """As many workers as are of use, each with its next partitions."""
        busy = sum(len(member.items) for member in self._members)
        while len(self._members) < min(self._shape.workers, max(1, busy + len(self._todo))):
            self._start()
        for member in sorted(self._members, key=lambda each: len(each.items)):
            while member.ready and self._todo and len(member.items) < _AHEAD:
                item = self._todo.popleft()
                reference = member.actor.score.remote(item.partition)
                member.items[reference] = item
                self._steps[reference] = (member, self._scored(reference))

    def _start(self) -> None:
        model = self._model
        member = _Member(self._class.remote(model.entry, dict(model.options), model.open_judge))
        self._members.append(member)
        self._then(member, member.actor.node.remote(), self._placed)

    def _then(self, member: _Member, reference: Any, step: Callable[[_Member, Any], None]) -> None:
        self._steps[reference] = (member, step)

    def _placed(self, member: _Member, node: str) -> None:
        taken = {each.slot for each in self._members if each.node == node}
        member.slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
        member.node = node
        self._then(member, member.actor.settings.remote(), self._checked)

    def _checked(self, member: _Member, settings: dict[str, Any]) -> None:
        here = self._node(member)
        check_settings(here.name if here else str(member.node), settings, self._model.settings)
        cores = None
        if here is not None and here.cpus > self._shape.cpus:
            first = member.slot * self._shape.cpus
            cores = tuple(range(first, first + self._shape.cpus))
        self._then(member, member.actor.open.remote(cores), self._opened)

    def _opened(self, member: _Member, _: None) -> None:
        member.ready = True

    def _scored(self, reference: Any) -> Callable[[_Member, Any], None]:
        def step(member: _Member, rows: Rows) -> None:
            item = member.items.pop(reference)
            self._deaths = 0
            self._finish(item, rows)

        return step

    def _finish(self, item: Item, rows: Rows) -> None:
        whole = self._pieces.add(item, rows)
        if whole is not None:
            self._done.append(whole)

    def _take(self) -> None:
        """Waits for the next thing to happen, and does what follows from it."""
        waited = 0.0
        while not (found := wait(self._ray, [*self._steps], _NOTE_SECONDS)):
            waited += _NOTE_SECONDS
            if any(member.ready for member in self._members):
                continue
            if waited >= _START_SECONDS:
                raise JobError(
                    f"the cluster gave no worker of {self._shape.cpus} CPUs in {waited:.0f} s", _RESUME
                )
            self._note(f"waiting for a worker of {self._shape.cpus} CPUs: {waited:.0f} s")
        for reference in found:
            if reference in self._steps:  # not of a worker whose death was dealt with before
                self._step(reference)

    def _step(self, reference: Any) -> None:
        member, step = self._steps.pop(reference)
        errors = self._ray.exceptions
        try:
            found = self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, YesrankError):
                raise error.cause from error
            if member.ready:
                self._again(member.items.pop(reference), str(error.cause or error).partition("\n")[0])
            else:
                raise JobError(f"a worker does not start: {error.cause or error}", _RESUME) from error
        except errors.RayError as error:
            self._died(member, reference, str(error).partition("\n")[0])
        else:
            step(member, found)

    def _died(self, member: _Member, reference: Any, why: str) -> None:
        """Its partitions go to others. The first of them was computed, and may be to blame, unless its node is gone."""
        self._members.remove(member)
        lost = [*member.items.values()]
        self._steps = {key: value for key, value in self._steps.items() if value[0] is not member}
        here = self._node(member)
        self._note(
            f"a worker is lost{f' on {here.name}' if here else ', with its node'}; its work is done again"
        )
        self._deaths += 1
        if self._deaths >= _DEATHS:
            raise JobError(f"workers die again and again: {why}", _RESUME)
        self._todo.extendleft(reversed(lost[1:]))
        if lost and here is None:
            self._todo.appendleft(lost[0])
        elif lost:
            self._again(lost[0], "the process that computed it died", died=True)

    def _again(self, item: Item, why: str, *, died: bool = False) -> None:
        """Once more; after some tries pair by pair; and a pair that fails alone, too, is a failure."""
        item.tries += 1
        if not died:
            self._deaths += 1
            if self._deaths >= _DEATHS:
                raise JobError(f"no worker can compute: {why}", _RESUME)
        if item.tries < _TRIES:
            self._todo.appendleft(item)
        elif len(item.partition.pairs) > 1:
            self._todo.extendleft(reversed(self._pieces.of(item)))
        else:
            self._finish(item, _failed(Failure(WORKER, why)))

    def _node(self, member: _Member) -> Node | None:
        """The member's node, None where it is gone."""
        return next((node for node in alive(self._ray) if node.id == member.node), None)


def _failed(why: Failure) -> Rows:
    import numpy as np

    return Rows(np.full(1, np.nan, np.float32), (False,), {0: why})
