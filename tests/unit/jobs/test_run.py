"""A job from end to end: one row a pair, a finished one is a no-op, another one is refused."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from job_stand_ins import SETTINGS, HashJudge, planned, write_input

from yesrank.claims import claimed
from yesrank.errors import EngineError, InputError, JobError
from yesrank.evaluate.trec import read_run
from yesrank.jobs.folder import work_folder
from yesrank.jobs.pairs import Partition, Rows
from yesrank.jobs.plan import Plan
from yesrank.jobs.run import Job, carry_out
from yesrank.types import Progress

Run = Callable[..., tuple]


def stopped_after(judge: HashJudge, calls: int) -> HashJudge:
    """Every later call fails, as where a device is lost."""
    whole = judge.logits

    def logits(prompts, progress=None):
        judge.dead = judge.dead or judge.calls >= calls
        return whole(prompts, progress)

    judge.logits = logits  # type: ignore[method-assign]
    return judge


def test_one_row_a_pair_in_the_order_of_the_input(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    assert len(small_plan.partitions) > 3
    done, judge, _ = run_job(small_plan)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["record"], row["candidate"]) for row in rows] == [(q, d) for q in range(7) for d in range(5)]
    assert [(row["query_id"], row["document_id"]) for row in rows[:6]] == [
        *(("q0", f"d{d}") for d in range(5)),
        ("q1", "d0"),
    ]
    assert {(row["record"], row["candidate"], row["failure"]) for row in rows if row["failure"]} == {
        (1, 2, "not-finite"),
        (2, 0, "no-document"),
        (4, 3, "engine"),
        *((5, d, "query") for d in range(5)),
    }
    assert all(
        (row["logit"] is None) == (row["score"] is None) == (row["failure"] is not None) for row in rows
    )
    assert done.outcome.failures == {"query": 5, "not-finite": 1, "no-document": 1, "engine": 1}
    assert judge.closed
    assert not work_folder(tmp_path / "out.parquet").exists()


def test_failures_stand_in_a_side_file_without_texts(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    run_job(small_plan)
    lines = [json.loads(line) for line in (tmp_path / "out.failures.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert lines[0] == {
        "record": 1,
        "candidate": 2,
        "query_id": "q1",
        "document_id": "d2",
        "failure": "not-finite",
        "message": "the engine returned NaN or infinity",
    }


def test_a_finished_job_asks_no_model(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    run_job(small_plan)
    before = (tmp_path / "out.parquet").read_bytes()
    (tmp_path / "out.failures.jsonl").unlink()
    done, judge, _ = run_job(small_plan, run=tmp_path / "run.txt")
    assert (done.known, done.computed, judge.calls) == (True, 0, 0)
    assert (tmp_path / "out.parquet").read_bytes() == before
    assert (tmp_path / "out.failures.jsonl").exists()
    assert len(read_run(tmp_path / "run.txt")["q0"]) == 5


def test_a_stopped_job_goes_on_and_loses_nothing(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    run_job(small_plan, output=whole)
    with pytest.raises(EngineError):
        run_job(small_plan, stopped_after(HashJudge(), 4))
    parts = sorted(work_folder(tmp_path / "out.parquet").glob("part-*"))
    assert 0 < len(parts) < len(small_plan.partitions)
    done, _, _ = run_job(small_plan)
    kept = sum(len(each.pairs) for each in small_plan.partitions[: len(parts)])
    assert done.computed == small_plan.pairs - kept
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(whole))


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "changed":
        import pyarrow.compute as pc

        table = pq.read_table(path)
        at = table.schema.get_field_index("logit")
        pq.write_table(table.set_column(at, table.field(at), pc.add(table["logit"], 1)), path)
    else:
        other = next(each for each in path.parent.glob("part-*") if each != path)
        path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("how", ["cut", "empty", "changed", "another's"])
def test_a_damaged_partition_is_told_of_and_computed_again(
    run_job: Run, small_plan: Plan, tmp_path: Path, how: str
) -> None:
    whole = tmp_path / "whole.parquet"
    run_job(small_plan, output=whole)
    with pytest.raises(EngineError):
        run_job(small_plan, stopped_after(HashJudge(), 4))
    damaged = sorted(work_folder(tmp_path / "out.parquet").glob("part-*"))[0]
    damage(damaged, how)
    _, _, notes = run_job(small_plan)
    assert any(damaged.name in note and "computed again" in note for note in notes)
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(whole))


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({**SETTINGS, "precision": "bf16"}, "precision was f32, and is bf16"),
        ({**SETTINGS, "model": "other"}, "other model files"),
        ({**SETTINGS, "versions": {"yesrank": "2"}}, "version of yesrank was 1, and is 2"),
    ],
)
def test_another_model_or_setting_is_refused_until_asked_for(
    run_job: Run, small_plan: Plan, finished: bool, settings: dict[str, object], words: str
) -> None:
    if finished:
        run_job(small_plan)
    else:
        with pytest.raises(EngineError):
            run_job(small_plan, stopped_after(HashJudge(), 4))
    with pytest.raises(JobError, match=words) as caught:
        run_job(small_plan, settings=settings)
    assert "--anew" in str(caught.value.hint)
    done, _, _ = run_job(small_plan, settings=settings, anew=True)
    assert done.computed == small_plan.pairs


def test_another_input_is_refused(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    run_job(small_plan)
    with pytest.raises(JobError, match="another input"):
        run_job(planned(write_input(tmp_path / "other.jsonl", queries=6)))


@pytest.mark.parametrize("anew", [False, True])
def test_a_file_of_somebody_else_is_never_replaced(
    run_job: Run, small_plan: Plan, tmp_path: Path, anew: bool
) -> None:
    pq.write_table(pq.read_table(_other(tmp_path)), tmp_path / "out.parquet")
    before = (tmp_path / "out.parquet").read_bytes()
    with pytest.raises(JobError, match="no whole output of yesrank batch"):
        run_job(small_plan, anew=anew)
    assert (tmp_path / "out.parquet").read_bytes() == before


def _other(tmp_path: Path) -> Path:
    import pyarrow as pa

    pq.write_table(pa.table({"text": ["mine"]}), tmp_path / "mine.parquet")
    return tmp_path / "mine.parquet"


@pytest.mark.parametrize("content", [None, b"{", b"[]"])
def test_partitions_without_their_card_are_refused_not_mixed(
    run_job: Run, small_plan: Plan, tmp_path: Path, content: bytes | None
) -> None:
    with pytest.raises(EngineError):
        run_job(small_plan, stopped_after(HashJudge(), 4))
    card = work_folder(tmp_path / "out.parquet") / "job.json"
    card.unlink() if content is None else card.write_bytes(content)
    with pytest.raises(JobError, match="damaged"):
        run_job(small_plan)
    assert run_job(small_plan, anew=True)[0].computed == small_plan.pairs


def test_where_nothing_is_done_there_is_nothing_to_refuse_for(
    run_job: Run, small_plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(EngineError):
        run_job(small_plan, HashJudge(dead=True))
    assert (work_folder(tmp_path / "out.parquet") / "job.json").exists()
    settings = {**SETTINGS, "precision": "bf16"}
    assert run_job(small_plan, settings=settings)[0].computed == small_plan.pairs


def test_two_at_once_are_told(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    with claimed(tmp_path / "out.parquet"), pytest.raises(InputError, match="another process"):
        run_job(small_plan)


def test_a_run_is_checked_before_the_work(run_job: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"query": "q", "document": "d"}\n')
    with pytest.raises(InputError, match="record 1 has no id of its query"):
        run_job(planned(tmp_path / "in.jsonl"), run=tmp_path / "run.txt")
    twice = {"query_id": "q", "query": "q", "documents": [{"id": "d", "text": "a"}, {"id": "d", "text": "b"}]}
    (tmp_path / "in.jsonl").write_text(json.dumps(twice))
    with pytest.raises(InputError, match="names 'd' twice"):
        run_job(planned(tmp_path / "in.jsonl"), run=tmp_path / "run.txt")
    same = [{"query_id": "q", "query": text, "document_id": text, "document": "d"} for text in ("a", "b")]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in same))
    with pytest.raises(InputError, match="'q' stands for two queries"):
        run_job(planned(tmp_path / "in.jsonl"), run=tmp_path / "run.txt")


def test_a_run_of_somebody_else_is_not_replaced(run_job: Run, small_plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        run_job(small_plan, run=tmp_path / "run.txt")
    assert (tmp_path / "run.txt").read_text() == "mine"


def test_partitions_may_come_back_in_any_order(small_plan: Plan, run_job: Run, tmp_path: Path) -> None:
    from yesrank.jobs.scoring import score

    def backwards(left: Sequence[Partition], report: Progress) -> Iterator[tuple[Partition, Rows]]:
        for each in reversed(left):
            yield each, score(HashJudge(), each)

    run_job(small_plan, output=tmp_path / "whole.parquet")
    job = Job(small_plan, SETTINGS, tmp_path / "out.parquet")
    carry_out(job, backwards, anew=False, note=print, report=lambda _: None)
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(tmp_path / "whole.parquet"))
