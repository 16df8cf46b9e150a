"""Ray: a cluster that is there, or one of this machine's cores; what its nodes have; its errors in our words."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from yesrank.errors import JobError, MissingExtra

_OBJECT_STORE = 200_000_000  # texts of a few partitions; Ray takes a third of the memory by itself
_STARTS = 3
_CONNECT_SECONDS = 10
_FRAME_HEAD, _SETTINGS = 9, 4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
"""How a client of HTTP/2 begins: the fixed words, and settings without any."""
_RESUME = "what is done is kept; run the same command again"


@dataclass(frozen=True, slots=True)
class Cluster:
    """address: of a cluster that is there, as ray.init takes it; None for one of this machine, for as long as it takes.

    workers: how many processes hold the model; None for one a node. cpus, gpus: of each worker; None for its share.
    """

    address: str | None = None
    workers: int | None = None
    cpus: int | None = None
    gpus: float | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node that can compute. name: its address, for a person."""

    id: str
    name: str
    cpus: int


def ray_module() -> Any:
    """The module ray, imported when it is needed: it takes a second. Raises MissingExtra."""
    # it would hide GPUs from workers that ask for none, and warns of it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "ray", "or leave out --ray: one process does the same") from error
    return ray


@contextmanager
def connected(cluster: Cluster) -> Iterator[list[Node]]:
    """Yields the nodes that can compute, checked to have this version of yesrank. Raises JobError or MissingExtra."""
    ray = ray_module()
    if cluster.address is None:
        _start(ray)
    else:
        _connect(ray, cluster.address)
    try:
        nodes = alive(ray)
        if not nodes:
            raise JobError("the cluster has no node with a CPU", "add one: ray start --address=HOST:PORT")
        _check_versions(ray, nodes)
        yield nodes
    finally:
        ray.shutdown()


def alive(ray: Any) -> list[Node]:
    """The nodes that are there now and have CPUs."""
    return [
        Node(each["NodeID"], str(each["NodeManagerAddress"]), int(each["Resources"]["CPU"]))
        for each in ray.nodes()
        if each["Alive"] and each["Resources"].get("CPU", 0) >= 1
    ]


def _start(ray: Any) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for left in reversed(range(_STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=cores,
                object_store_memory=_OBJECT_STORE,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except Exception as error:  # a bare Exception where a busy machine takes more than 30 s
            ray.shutdown()
            if not left:
                raise JobError(
                    f"Ray does not start here: {_first(error)}", "leave out --ray: one process does the same"
                ) from error
        else:
            return


def _connect(ray: Any, address: str) -> None:
    _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        raise JobError(
            f"no Ray cluster can be joined at {address}: {_first(error)}",
            "give the address that `ray status` and `ray start` name, from a machine of that cluster; or leave "
            "--address out",
        ) from error


def _check_answers(address: str) -> None:
    """Ray itself tries for minutes, and may end the process. Raises JobError where nobody is there."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not port.isdecimal() or not host:
        return  # auto, local, or a name that Ray knows
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS) as there:
            speaks = os.environ.get("RAY_USE_TLS") == "1" or _speaks_http2(there)
    except OSError as error:
        raise JobError(
            f"nothing answers at {address}: {error.strerror or error}",
            "check host and port (6379 by default), and that the cluster runs: ray status",
        ) from error
    if not speaks:
        raise JobError(
            f"what answers at {address} is no Ray cluster",
            "give the address that `ray start` names (port 6379 by default), not that of its dashboard",
        )


def _speaks_http2(there: socket.socket) -> bool:
    """Whether a server begins as all of gRPC do, with its settings; Ray itself would ask another one without end."""
    try:
        there.sendall(_PREFACE)
        received = there.recv(_FRAME_HEAD, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(received) == _FRAME_HEAD and received[3] == _SETTINGS


def _check_versions(ray: Any, nodes: list[Node]) -> None:
    """Before any of our own classes goes there: another version could not even read it. Raises JobError."""

    def installed() -> str | None:  # goes by value, since it is inside: a node without yesrank can run it
        import importlib.metadata

        try:
            return importlib.metadata.version("yesrank")
        except importlib.metadata.PackageNotFoundError:
            return None

    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    asked = {
        node.name: ray.remote(installed)
        .options(num_cpus=0, scheduling_strategy=On(node.id, soft=False), max_retries=2)
        .remote()
        for node in nodes
    }
    wanted, wrong = version("yesrank"), []
    for name, reference in asked.items():
        try:
            found = ray.get(reference, timeout=300)
        except ray.exceptions.RayError as error:
            raise JobError(f"node {name} does not answer: {_first(error)}", _RESUME) from error
        if found != wanted:
            wrong.append(f"{name} has {found or 'none'}")
    if wrong:
        raise JobError(
            f"yesrank here is {wanted}, and {'; '.join(wrong)}", "install the same version on every node"
        )


def check_settings(node: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises JobError, which names the node and what differs, where its rows would be of another job."""
    from yesrank.jobs.folder import differences

    if told := differences(wanted, found):
        only = "; or, for the processor alone: --any-processor" if "processor" in " ".join(told) else ""
        raise JobError(
            f"node {node} would compute other numbers: {'; '.join(told)}",
            f"give every node the same packages and the same model files{only}",
        )


def wait(ray: Any, references: list[Any], seconds: float) -> list[Any]:
    """Those that are done, at least one of them; none where `seconds` go by before."""
    until = time.monotonic() + seconds
    while True:
        # in short steps, so that Ctrl-C is heard on every system
        done, _ = ray.wait(references, num_returns=1, timeout=min(5.0, max(0.0, until - time.monotonic())))
        if done or time.monotonic() >= until:
            return list(done)


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
