"""The same rows from Ray as from one process, whatever dies; and clusters that cannot be used."""

import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from job_stand_ins import HashJudge, planned, write_input

from tests.jobs import judges
from yesrank.errors import EngineError, JobError, ModelError
from yesrank.jobs import Job, carry_out, in_this_process, plan_for, read, settings_of
from yesrank.jobs.cluster import Cluster, check_settings
from yesrank.jobs.crew import Model, on_cluster
from yesrank.jobs.plan import Plan
from yesrank.jobs.run import Done, Workers
from yesrank.store import Entry, builtin_entry
from yesrank.store.opening import open_entry
from yesrank.types import Progress

ray = pytest.importorskip("ray", reason="ray is not installed: make test-jobs")

TEXTS = [f"Paragraph {at}: bees make honey, {'and so on ' * (at % 7)}until it rains." for at in range(8)]


def model(open_judge=judges.hashes, entry: Entry | None = None) -> Model:
    used = entry or builtin_entry()
    return Model(used, {}, settings_of(used), open_judge)


def carried_out(
    plan: Plan, workers: Workers, output: Path, settings, report: Progress = lambda _: None
) -> tuple[Done, list[str]]:
    notes: list[str] = []
    job = Job(plan, settings, output, output.with_suffix(".run"))
    return carry_out(job, workers, anew=False, note=notes.append, report=report), notes


def check_same(one: Path, other: Path) -> None:
    assert pq.read_table(one).equals(pq.read_table(other))
    for name in (".run", ".failures.jsonl"):
        paths = one.with_suffix(name), other.with_suffix(name)
        assert paths[0].exists() == paths[1].exists()
        assert not paths[0].exists() or paths[0].read_bytes() == paths[1].read_bytes()


def real_plan(tmp_path: Path, queries: int) -> Plan:
    lines = [
        {
            "id": f"q{at}",
            "query": f"how is honey made, asked for the {at}. time",
            "documents": [{"id": f"d{number}", "text": f"{text} {at}"} for number, text in enumerate(TEXTS)],
        }
        for at in range(queries)
    ]
    (tmp_path / "real.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return plan_for(builtin_entry(), read([tmp_path / "real.jsonl"]).pairs, tokens=1024)


def at_counts(**happens: Callable[[], None]) -> tuple[Progress, Callable[[], None]]:
    """A progress that lets things happen when so many partitions are back; and a check that all of them did."""
    left = {int(name.removeprefix("after_")): action for name, action in happens.items()}
    calls = Counter()

    def report(_: int) -> None:
        calls["all"] += 1
        if (action := left.pop(calls["all"] - 1, None)) is not None:  # the first call tells what is known
            action()

    def check() -> None:
        assert not left, "the job was done before"

    return report, check


def worker_of(node) -> int:
    """The process of the worker of ours on a node."""
    raylets = [info.process.pid for info in node.all_processes["raylet"]]
    children = [child for pid in raylets for child in psutil.Process(pid).children(recursive=True)]
    [found] = [child.pid for child in children if "ray::Worker" in "".join(child.cmdline()[:1])]
    return found


def test_a_node_and_a_worker_are_lost_and_every_row_is_that_of_one_process(tmp_path: Path, nodes) -> None:
    plan = real_plan(tmp_path, 60)
    assert len(plan.partitions) >= 12
    used = model(open_entry)
    whole = tmp_path / "whole.parquet"
    carried_out(plan, in_this_process(lambda: open_entry(used.entry)), whole, used.settings)
    lost, kept = nodes.at_least(2)
    output = tmp_path / "out.parquet"

    def kill_one() -> None:
        os.kill(worker_of(kept), signal.SIGKILL)

    report, check = at_counts(after_2=kill_one, after_5=lambda: nodes.lose(lost))
    notes: list[str] = []
    workers = on_cluster(Cluster(nodes.address), used, notes.append)
    done, _ = carried_out(plan, workers, output, used.settings, report)
    check()
    assert sum("a worker is lost" in note for note in notes) >= 2
    assert done.computed == plan.pairs
    check_same(output, whole)


def test_a_pair_that_ends_its_process_is_a_failure_and_no_other_is(tmp_path: Path, nodes) -> None:
    given = write_input(tmp_path / "in.jsonl")
    given.write_text(given.read_text().replace("document 1 of 3", "DEADLY"))
    plan = planned(given)
    nodes.at_least(2)
    used = model(judges.deadly)
    carried_out(plan, in_this_process(HashJudge), tmp_path / "whole.parquet", used.settings)
    done, _ = carried_out(
        plan, on_cluster(Cluster(nodes.address), used, print), tmp_path / "out.parquet", used.settings
    )
    assert done.outcome.failures["worker"] == 1
    rows, wanted = (pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("out", "whole"))
    [deadly] = [at for at, row in enumerate(rows) if row["failure"] == "worker"]
    assert (rows[deadly]["record"], rows[deadly]["candidate"]) == (3, 1)
    assert [row for at, row in enumerate(rows) if at != deadly] == [
        row for at, row in enumerate(wanted) if at != deadly
    ]


@pytest.mark.parametrize(
    ("open_judge", "kind", "message"),
    [
        (judges.always_dies, JobError, "workers die again and again"),
        (judges.dead_engine, EngineError, "fails for any pair"),
    ],
)
def test_workers_that_cannot_work_end_the_job_and_not_its_pairs(
    tmp_path: Path, nodes, open_judge, kind: type[Exception], message: str
) -> None:
    nodes.at_least(1)
    plan = planned(write_input(tmp_path / "in.jsonl"))
    used = model(open_judge)
    with pytest.raises(kind, match=message):
        carried_out(
            plan, on_cluster(Cluster(nodes.address), used, print), tmp_path / "out.parquet", used.settings
        )
    assert not (tmp_path / "out.parquet").exists()


def test_nodes_that_would_compute_something_else_get_no_work(tmp_path: Path, nodes) -> None:
    nodes.at_least(1)
    plan = planned(write_input(tmp_path / "in.jsonl"))
    used = model()
    others = [
        ({**used.settings, "model": "0" * 64}, "other model files"),
        (
            {**used.settings, "versions": {**used.settings["versions"], "yesrank": "0.0.1"}},
            "version of yesrank",
        ),
    ]
    for settings, words in others:
        wanted = replace(used, settings=settings)
        with pytest.raises(JobError, match=f"node .* would compute other numbers: .*{words}"):
            carried_out(
                plan, on_cluster(Cluster(nodes.address), wanted, print), tmp_path / "o.parquet", settings
            )
    gone = Entry("judge", tmp_path / "gone", source=None)
    with pytest.raises(ModelError, match=r"there is no model folder .*gone") as caught:
        missing = Model(gone, {}, used.settings, judges.hashes)
        carried_out(
            plan, on_cluster(Cluster(nodes.address), missing, print), tmp_path / "o.parquet", used.settings
        )
    assert "on every node" in str(caught.value.hint)
    assert not list(tmp_path.glob("o.parquet.job/part-*"))


def test_a_worker_larger_than_every_node_is_refused(tmp_path: Path, nodes) -> None:
    nodes.at_least(1)
    used = model()
    plan = planned(write_input(tmp_path / "in.jsonl"))
    with pytest.raises(JobError, match="a worker of 64 CPUs fits on no node: the largest has 1"):
        carried_out(
            plan,
            on_cluster(Cluster(nodes.address, cpus=64), used, print),
            tmp_path / "o.parquet",
            used.settings,
        )


def test_an_address_where_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    plan = planned(write_input(tmp_path / "in.jsonl"))
    used = model()
    with pytest.raises(JobError, match=f"nothing answers at {address}"):
        carried_out(plan, on_cluster(Cluster(address), used, print), tmp_path / "o.parquet", used.settings)


@pytest.mark.parametrize("answer", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b""])
def test_an_address_of_something_else(tmp_path: Path, answer: bytes) -> None:
    plan = planned(write_input(tmp_path / "in.jsonl"))
    used = model()
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:

        def answered() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)

        thread.submit(answered)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(JobError, match=f"what answers at {address} is no Ray cluster"):
            carried_out(
                plan, on_cluster(Cluster(address), used, print), tmp_path / "o.parquet", used.settings
            )


def test_the_processor_may_be_left_out() -> None:
    here = {"processor": "x86_64 One", "model": "m"}
    with pytest.raises(JobError, match="processor was x86_64 One, and is x86_64 Two") as caught:
        check_settings("10.0.0.2", {**here, "processor": "x86_64 Two"}, here)
    assert "--any-processor" in str(caught.value.hint)


def test_on_this_machine_alone_through_the_command_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from yesrank.cli.main import app

    plan = real_plan(tmp_path, 12)
    given = tmp_path / "real.jsonl"
    for name, options in (
        ("one", ["--partition-tokens", "1024"]),
        ("ray", ["--ray", "--workers", "2", "--partition-tokens", "1024"]),
    ):
        command = ["batch", str(given), str(tmp_path / f"{name}.parquet"), "-m", "builtin", *options]
        command += ["--partition-tokens", "1024"]
        done = CliRunner().invoke(app, [*command, "--save-run", str(tmp_path / f"{name}.run")])
        assert done.exit_code == 0, done.output
    assert len(pq.read_table(tmp_path / "ray.parquet")) == plan.pairs
    check_same(tmp_path / "ray.parquet", tmp_path / "one.parquet")
    assert not ray.is_initialized()
