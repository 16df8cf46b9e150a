"""Files of queries with candidates, or of pairs -> pairs: JSONL (also packed with gzip) and Parquet."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yesrank.errors import InputError, MissingExtra
from yesrank.evaluate.lines import read_objects
from yesrank.filekinds import kind_of
from yesrank.jobs.pairs import Pair
from yesrank.jobs.records import FIELD, Reader

_PARQUET = (".parquet", ".pq")
_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_ROWS_AT_A_TIME = 4096
_KINDS = "give JSONL or Parquet files, or a folder of them"


@dataclass(frozen=True, slots=True)
class Reading:
    """All pairs, in the order of the input. what: one line that says how it was read. notes: what is odd about it."""

    pairs: tuple[Pair, ...]
    what: str
    notes: tuple[str, ...] = ()


def read(paths: Sequence[Path]) -> Reading:
    """The pairs of all files, one after the other. Raises InputError, which names file and line, or MissingExtra."""
    files = [file for path in paths for file in _files(path)]
    reader = Reader()
    pairs = tuple(
        pair for file in files for where, record in _records(file) for pair in reader.pairs(record, where)
    )
    if not pairs:
        raise InputError(FIELD, "holds no pair of a query and a document", _KINDS)
    used = ", ".join(reader.used)
    number = f"{len(files)} files" if len(files) > 1 else files[0].name
    return Reading(pairs, f"{len(pairs):,} pairs of {number}, fields {used}", tuple(_notes(reader)))


def pyarrow_parquet() -> Any:
    """The module pyarrow.parquet, imported when it is needed. Raises MissingExtra."""
    try:
        import pyarrow.parquet as found
    except ModuleNotFoundError as error:
        raise MissingExtra("pyarrow", "batch") from error
    return found


def _notes(reader: Reader) -> Iterator[str]:
    if reader.unused:
        yield f"{FIELD}: not read: " + ", ".join(
            f"{name} ({number:,})" for name, number in reader.unused.items()
        )
    if reader.without:
        yield f"{FIELD}: {reader.without:,} queries have no documents"


def _files(path: Path) -> list[Path]:
    """The file, or a folder's files by name. Raises InputError where there is none."""
    if not path.exists():
        raise InputError(FIELD, f"there is no file or folder {path}", _KINDS)
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.name.lower().endswith((*_LINES, *_PARQUET)))
    if not found:
        raise InputError(
            FIELD, f"{path} holds no file that ends in {', '.join((*_LINES, *_PARQUET))}", _KINDS
        )
    return found


def _records(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    if path.suffix.lower() in _PARQUET or _begins_as_parquet(path):
        return _parquet(path)
    return ((f"{path}, line {number}", record) for number, record in read_objects(path, FIELD))


def _begins_as_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # the reader of lines says why


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    parquet = pyarrow_parquet()
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_A_TIME):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", record
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        with path.open("rb") as file:
            what = kind_of(file.read(4096))
        told = f"is {what}" if what not in (None, "a Parquet file") else f"cannot be read: {_first(error)}"
        raise InputError(FIELD, f"{path} {told}", "write it again as Parquet, or as JSONL") from error


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]
