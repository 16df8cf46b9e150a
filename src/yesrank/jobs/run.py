"""A job from end to end: what is done already, what is left, and the output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yesrank.claims import claimed
from yesrank.errors import InputError
from yesrank.jobs.files import remove_partials, writing
from yesrank.jobs.folder import (
    check_same,
    claim_folder,
    known_parts,
    manifest_of,
    remove_folder,
    work_folder,
)
from yesrank.jobs.output import (
    Outcome,
    check_run,
    failures_path,
    outcome,
    read_output,
    table_of,
    write_beside,
    write_output,
)
from yesrank.jobs.pairs import Partition, Rows
from yesrank.jobs.parts import write_part
from yesrank.jobs.plan import Plan
from yesrank.jobs.reading import pyarrow_parquet
from yesrank.jobs.scoring import Judge, score
from yesrank.types import Progress

Workers = Callable[[Sequence[Partition], Progress], Iterator[tuple[Partition, Rows]]]
"""Computes partitions and gives them back in any order; the progress is told how many more pairs are done."""


@dataclass(frozen=True, slots=True)
class Job:
    """settings: all that the numbers depend on besides the pairs. run: a TREC run to write as well."""

    plan: Plan
    settings: Mapping[str, object]
    output: Path
    run: Path | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. computed: pairs of this run, the others were known. known: the job was finished before."""

    outcome: Outcome
    computed: int
    known: bool = False


def in_this_process(open_judge: Callable[[], Judge]) -> Workers:
    """Workers that are this process: the model is opened where there is something to do."""

    def work(partitions: Sequence[Partition], report: Progress) -> Iterator[tuple[Partition, Rows]]:
        judge = open_judge()
        try:
            for partition in partitions:
                yield partition, score(judge, partition, report)
        finally:
            judge.close()

    return work


def check_output(output: Path) -> None:
    """Raises InputError where the name cannot be that of the output: it may be an input's, given last."""
    if output.suffix.lower() != ".parquet":
        raise InputError(
            "output",
            f"{output} does not end in .parquet",
            "name the output last: yesrank batch INPUT... OUT.parquet",
        )


def carry_out(
    job: Job, workers: Workers, *, anew: bool, note: Callable[[str], None], report: Progress
) -> Done:
    """Computes what is left of the job and writes its output. Run again, it goes on, or does nothing where all is done.

    anew: what another job left at the same place is thrown away. note: is told what is odd. Raises JobError, InputError
    or what the workers raise; every partition that was computed is kept.
    """
    check_output(job.output)
    pyarrow_parquet()
    if job.run is not None:
        check_run([pair for each in job.plan.partitions for pair in each.pairs])
    with writing(job.output):
        job.output.parent.mkdir(parents=True, exist_ok=True)
    with claimed(job.output):
        if anew:
            _forget(job.output)
        manifest = manifest_of(job.plan.digest, job.plan.pairs, job.settings)
        if job.output.exists():
            return _finished(job, manifest)
        _check_free(job)
        return _go_on(job, manifest, workers, note, report)


def _check_free(job: Job) -> None:
    """Raises InputError for a run of somebody else's; one of our own may stand there, where a job was killed late."""
    if job.run is not None and job.run.exists() and not work_folder(job.output).exists():
        raise InputError("save-run", f"{job.run} exists already", "remove it first, or name another file")


def _forget(output: Path) -> None:
    with writing(output):
        if output.exists():
            read_output(output)  # raises for a file that is no output of ours
            output.unlink()
        remove_folder(output)


def _finished(job: Job, manifest: Mapping[str, object]) -> Done:
    table, was = read_output(job.output)
    check_same(job.output, was, manifest)
    found = outcome(table)
    if (job.run is not None and not job.run.exists()) or (
        found.failed and not failures_path(job.output).exists()
    ):
        write_beside(job.output, table, job.run)
    if work_folder(job.output).exists():  # killed after its output was there
        remove_folder(job.output)
    return Done(found, 0, known=True)


def _go_on(
    job: Job, manifest: Mapping[str, object], workers: Workers, note: Callable[[str], None], report: Progress
) -> Done:
    partitions = job.plan.partitions
    folder = claim_folder(job.output, manifest)
    for path in (job.output, failures_path(job.output), *([job.run] if job.run else [])):
        remove_partials(path)
    rows, notes = known_parts(folder, partitions, job.settings)
    for each in notes:
        note(each)
    report(sum(len(partitions[index].pairs) for index in rows))
    left = [partition for partition in partitions if partition.index not in rows]
    if left:
        for partition, found in workers(left, report):
            write_part(folder, partition, found, job.settings)
            rows[partition.index] = found
    table = table_of(partitions, [rows[partition.index] for partition in partitions])
    made = write_output(job.output, table, manifest, job.run)
    remove_folder(job.output)
    return Done(made, sum(len(partition.pairs) for partition in left))
