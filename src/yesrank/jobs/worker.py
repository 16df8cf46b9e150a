"""What runs on each node of a cluster: a process that holds the model and computes partitions."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from yesrank.errors import ModelNotFound
from yesrank.jobs.model import settings_of
from yesrank.jobs.pairs import Partition, Rows
from yesrank.jobs.scoring import Judge, score
from yesrank.store import BUILTIN, Entry, builtin_entry, resolve

OpenJudge = Callable[[Entry], Judge]


class Worker:
    """An actor. It has no side effects: rows go back to the one process that writes, so that a call may come twice."""

    def __init__(self, entry: Entry, options: Mapping[str, Any], open_judge: OpenJudge) -> None:
        """options: as for settings_of."""
        self._entry, self._options, self._open = entry, options, open_judge
        self._judge: Judge | None = None

    def node(self) -> str:
        """The id of the node that it is on."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def settings(self) -> dict[str, Any]:
        """What rows that are computed here depend on. Raises ModelError where the model is not here."""
        return settings_of(self._here(), **self._options)

    def open(self, cores: tuple[int, ...] | None) -> None:
        """Loads the model. cores: on which of the node's it may compute; None for all. Raises as Reranker."""
        if cores is not None and hasattr(os, "sched_setaffinity"):
            usable = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {usable[at % len(usable)] for at in cores})
        self._judge = self._open(self._here())

    def score(self, partition: Partition) -> Rows:
        """What becomes of each pair. Raises EngineError where the engine does not work any more."""
        if self._judge is None:
            raise RuntimeError("open comes first")
        return score(self._judge, partition)

    def _here(self) -> Entry:
        """The model at the same path as where the job was begun, else by its name here."""
        if self._entry.name == BUILTIN:
            own = builtin_entry()
        elif self._entry.path.is_dir():
            return self._entry
        else:
            own = self._by_name()
        return replace(self._entry, path=own.path)

    def _by_name(self) -> Entry:
        try:
            return resolve(self._entry.name)
        except ModelNotFound as error:
            path: Path = self._entry.path
            raise ModelNotFound(
                f"there is no model folder {path}, and no stored model {self._entry.name}",
                f"put the folder at {path} on every node, or store it under its name: yesrank add",
            ) from error
