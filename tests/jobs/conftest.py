"""Ray on this machine: one cluster of several nodes, small and patient, since the machine may be busy."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import yesrank  # noqa: F401  before ray: it switches off the usage report

TESTS = Path(__file__).parent.parent
STORE = 100_000_000


@pytest.fixture(scope="session", autouse=True)
def _workers_find_the_tests() -> Iterator[None]:
    """Workers import what the tests give them by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{TESTS.parent}")
        yield


class Nodes:
    """A head without CPUs, and nodes of one CPU each, as processes of this machine."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = started(
            lambda: Cluster(
                initialize_head=True,
                head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False},
            )
        )

        self.alive: list = []

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def at_least(self, count: int) -> list:
        """So many nodes at the least, all that there are."""
        while len(self.alive) < count:
            self.alive.append(started(lambda: self.cluster.add_node(num_cpus=1, object_store_memory=STORE)))
        return self.alive

    def lose(self, node) -> None:
        self.alive.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)


def started(start, tries: int = 4):
    """Ray gives a node 30 seconds to come up, which a busy machine does not always keep."""
    for left in reversed(range(tries)):
        try:
            return start()
        except Exception as error:
            if not left or "timed out" not in str(error):
                raise
            time.sleep(5)
    return None


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    import ray

    found = Nodes()
    yield found
    ray.shutdown()
    found.cluster.shutdown()
