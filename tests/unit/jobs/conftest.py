"""A small job over the stand-in for a reranker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from job_stand_ins import SETTINGS, HashJudge, planned, write_input

from yesrank.jobs.plan import Plan
from yesrank.jobs.run import Done, Job, carry_out, in_this_process


@pytest.fixture
def small_plan(tmp_path: Path) -> Plan:
    return planned(write_input(tmp_path / "in.jsonl"))


@pytest.fixture
def run_job(tmp_path: Path) -> Callable[..., tuple[Done, HashJudge, list[str]]]:
    """Carries a plan out; the judge says how many calls there were."""

    def run(
        plan: Plan,
        judge: HashJudge | None = None,
        *,
        settings: dict[str, object] | None = None,
        output: Path | None = None,
        run: Path | None = None,
        anew: bool = False,
    ) -> tuple[Done, HashJudge, list[str]]:
        used = judge or HashJudge()
        notes: list[str] = []
        job = Job(plan, settings or SETTINGS, output or tmp_path / "out.parquet", run)
        done = carry_out(
            job, in_this_process(lambda: used), anew=anew, note=notes.append, report=lambda _: None
        )
        return done, used, notes

    return run
