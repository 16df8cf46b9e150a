"""A partition's rows as a file of their own, which says what it was computed from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from yesrank.jobs.files import read_table, write_table
from yesrank.jobs.pairs import Failure, Partition, Rows


def part_path(folder: Path, partition: Partition) -> Path:
    """Where the partition's rows go."""
    return folder / f"part-{partition.index:06}.parquet"


def write_part(folder: Path, partition: Partition, rows: Rows, settings: Mapping[str, object]) -> None:
    """Whole or not at all. settings: all that the rows depend on besides the pairs. Raises JobError."""
    import pyarrow as pa

    kinds, messages = _columns(rows)
    table = pa.table(
        {
            "logit": pa.array(rows.logits, pa.float32(), from_pandas=True),  # NaN is null
            "truncated": pa.array(rows.truncated, pa.bool_()),
            "failure": pa.array(kinds, pa.string()),
            "message": pa.array(messages, pa.string()),
        }
    )
    write_table(part_path(folder, partition), table, _manifest(partition, settings))


def read_part(folder: Path, partition: Partition, settings: Mapping[str, object]) -> Rows | None:
    """The rows; None where the file is damaged, or holds another partition's or another job's."""
    found = read_table(part_path(folder, partition))
    if found is None or found[1] != _manifest(partition, settings) or len(found[0]) != len(partition.pairs):
        return None
    columns = found[0].to_pydict()
    logits = np.array([np.nan if each is None else each for each in columns["logit"]], np.float32)
    failures = {
        at: Failure(kind, message)
        for at, (kind, message) in enumerate(zip(columns["failure"], columns["message"], strict=True))
        if kind is not None
    }
    return Rows(logits, tuple(columns["truncated"]), failures)


def _columns(rows: Rows) -> tuple[list[str | None], list[str | None]]:
    found = [rows.failures.get(at) for at in range(len(rows.logits))]
    return [each.kind if each else None for each in found], [each.message if each else None for each in found]


def _manifest(partition: Partition, settings: Mapping[str, object]) -> dict[str, Any]:
    return {"partition": partition.index, "input": partition.digest, "settings": dict(settings)}
