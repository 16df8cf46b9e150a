"""Kills a job before every change that it makes to a file, and looks at what the next run makes of it.

A program of its own: it forks, so that each try begins in a process without threads, and no import is paid twice.
Arguments: an empty folder, and n: every n-th change is tried. Prints one JSON object.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from job_stand_ins import SETTINGS, HashJudge, planned, write_input

from yesrank.jobs.files import read_table
from yesrank.jobs.folder import work_folder
from yesrank.jobs.plan import Plan
from yesrank.jobs.run import Job, carry_out, in_this_process

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}
ROOT, STRIDE = Path(sys.argv[1]), int(sys.argv[2])


def killed_before(change: int) -> Callable[[str, tuple[object, ...]], None]:
    """An audit hook: SIGKILL before the n-th change to a file below ROOT."""
    left = change

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if (event in CHANGES or writes) and str(arguments[0]).startswith(str(ROOT)):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def work(plan: Plan, output: Path) -> int:
    """The pairs that were computed."""
    workers = in_this_process(HashJudge)
    job = Job(plan, SETTINGS, output, output.with_suffix(".run"))
    return carry_out(job, workers, anew=False, note=print, report=lambda _: None).computed


def in_child(plan: Plan, output: Path, change: int) -> bool:
    """Runs the job in a process of its own; False where that was killed. Exits where it failed."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            sys.addaudithook(killed_before(change))
            work(plan, output)
            status = 0
        except BaseException as error:
            print(f"before change {change}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the job failed"
    return True


def main() -> None:
    plan = planned(write_input(ROOT.with_name("in.jsonl")))
    whole = ROOT.with_name("whole.parquet")
    work(plan, whole)
    table, _ = read_table(whole) or (None, None)
    kills, kept = 0, 0
    while True:
        shutil.rmtree(ROOT, ignore_errors=True)
        ROOT.mkdir()
        output = ROOT / "out.parquet"
        if in_child(plan, output, kills * STRIDE + 1):
            break
        kills += 1
        parts = len([*work_folder(output).glob("part-*.parquet")])
        left = 0 if output.exists() else sum(len(each.pairs) for each in plan.partitions[parts:])
        computed = work(plan, output)
        assert computed == left, (computed, left)
        kept += parts
        found, _ = read_table(output) or (None, None)
        assert found is not None
        assert found.equals(table), "other rows than those of a job that was not killed"
        for name in (".failures.jsonl", ".run"):
            assert output.with_suffix(name).read_bytes() == whole.with_suffix(name).read_bytes()
        names = sorted(path.name for path in ROOT.iterdir())
        assert names == ["out.failures.jsonl", "out.parquet", "out.run"], names
        assert work(plan, output) == 0
    print(json.dumps({"kills": kills, "kept": kept}))


if __name__ == "__main__":
    main()
