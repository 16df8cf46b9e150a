"""What a job leaves: one Parquet file with a row a pair, a TREC run where it is wanted, and what failed, by kind."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yesrank import head
from yesrank.errors import InputError, JobError
from yesrank.evaluate.trec import check_ids, run_lines
from yesrank.jobs.files import read_table, write_table, write_whole
from yesrank.jobs.pairs import Pair, Partition, Query, Rows


@dataclass(frozen=True, slots=True)
class Outcome:
    """pairs: rows of the output. failures: how many there are of each kind. truncated: documents that were cut."""

    pairs: int
    failures: Mapping[str, int]
    truncated: int

    @property
    def failed(self) -> int:
        """Pairs without a score."""
        return sum(self.failures.values())


def failures_path(output: Path) -> Path:
    """The side file of what could not be scored."""
    return output.with_name(f"{output.stem}.failures.jsonl")


def table_of(partitions: Sequence[Partition], rows: Sequence[Rows]) -> Any:
    """The output: a pyarrow Table, in the order of the input.

    record, candidate: where the pair stood in the input; query_id, document_id: null where it had none; logit, score:
    float32, null where there is none; truncated; failure: its kind, and message.
    """
    import pyarrow as pa

    pairs = [pair for partition in partitions for pair in partition.pairs]
    order = sorted(range(len(pairs)), key=lambda at: pairs[at].row)
    logits = np.concatenate([each.logits for each in rows])[order]
    cut = np.array([flag for each in rows for flag in each.truncated], bool)[order]
    found = [each.failures.get(at) for each in rows for at in range(len(each.logits))]
    pairs, found = [pairs[at] for at in order], [found[at] for at in order]
    scores = np.where(np.isnan(logits), np.float32(np.nan), head.scores(logits))
    return pa.table(
        {
            "record": pa.array([pair.record for pair in pairs], pa.int64()),
            "candidate": pa.array([pair.candidate for pair in pairs], pa.int64()),
            "query_id": pa.array([pair.query.id for pair in pairs], pa.string()),
            "document_id": pa.array([pair.document_id for pair in pairs], pa.string()),
            "logit": pa.array(logits, pa.float32(), from_pandas=True),
            "score": pa.array(scores, pa.float32(), from_pandas=True),
            "truncated": pa.array(cut, pa.bool_()),
            "failure": pa.array([each.kind if each else None for each in found], pa.string()),
            "message": pa.array([each.message if each else None for each in found], pa.string()),
        }
    )


def write_output(output: Path, table: Any, manifest: Mapping[str, object], run: Path | None) -> Outcome:
    """Side files first: where the output stands, the job is done. Raises JobError."""
    write_beside(output, table, run)
    write_table(output, table, manifest)
    return outcome(table)


def write_beside(output: Path, table: Any, run: Path | None) -> None:
    """What is made from the output alone: the failures, and the run. Raises JobError."""
    failed = [row for row in table.to_pylist() if row["failure"] is not None]
    side = failures_path(output)
    if failed:
        write_whole(side, lambda file: file.writelines(map(_failure_line, failed)))
    else:
        side.unlink(missing_ok=True)
    if run is not None:
        lines = run_lines(_run(table), "yesrank")
        write_whole(run, lambda file: file.writelines(each.encode("utf-8") for each in lines))


def read_output(output: Path) -> tuple[Any, dict[str, Any]]:
    """(table, manifest) of a finished job. Raises JobError for a file that is none, or is damaged."""
    found = read_table(output)
    if found is None:
        raise JobError(
            f"{output} exists, and is no whole output of yesrank batch",
            "remove it first, or name another output",
        )
    return found


def outcome(table: Any) -> Outcome:
    """What can be counted of it."""
    kinds = Counter(kind for kind in table["failure"].to_pylist() if kind is not None)
    return Outcome(len(table), dict(kinds.most_common()), sum(table["truncated"].to_pylist()))


def check_run(pairs: Sequence[Pair]) -> None:
    """Raises InputError where a run cannot hold the pairs: before hours of work, not after them."""
    found: dict[str, dict[str, float]] = {}
    texts: dict[str, Query] = {}
    for pair in pairs:
        where = f"record {pair.record + 1}"
        if pair.query.id is None or pair.document_id is None:
            what = "query" if pair.query.id is None else "document"
            raise InputError(
                "save-run", f"{where} has no id of its {what}", 'give "query_id" and "document_id"'
            )
        if texts.setdefault(pair.query.id, pair.query) != pair.query:
            raise InputError(
                "save-run",
                f"{where}: the id {pair.query.id!r} stands for two queries",
                "give each its own id",
            )
        row = found.setdefault(pair.query.id, {})
        if pair.document_id in row:
            raise InputError(
                "save-run",
                f"{where} names {pair.document_id!r} twice for {pair.query.id!r}",
                "a run holds a document once: keep one of them",
            )
        row[pair.document_id] = 0.0
    check_ids(found)


def _run(table: Any) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    columns = table.select(["query_id", "document_id", "logit"]).to_pydict()
    for query, document, logit in zip(*columns.values(), strict=True):
        if logit is not None:
            found.setdefault(query, {})[document] = logit
    return found


def _failure_line(row: Mapping[str, Any]) -> bytes:
    told = ("record", "candidate", "query_id", "document_id", "failure", "message")
    return (json.dumps({name: row[name] for name in told}, ensure_ascii=False) + "\n").encode()
