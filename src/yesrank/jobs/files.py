"""Files that appear whole or not at all, and tables whose content can be told from damage."""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from yesrank.errors import JobError
from yesrank.jobs.reading import pyarrow_parquet

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KEPT = "what is done is kept"
_MANIFEST, _CONTENT = b"yesrank", b"yesrank-sha256"


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replaces the file at once: who reads it, or is killed, finds the old or the new one. Raises JobError."""
    partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(8)}")
    with writing(path):
        try:
            with partial.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            flush_folder(path.parent)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def remove_partials(path: Path) -> None:
    """What killed writers of the file left. Only for who holds its lock."""
    for left in path.parent.glob(f".{path.name}.partial-*"):
        left.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk, or a place that cannot be written: one error with the next step."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise JobError(
                f"the disk of {path.parent} is full; {_KEPT}",
                "free some space, and run the same command again",
            ) from error
        why = error.strerror or error
        raise JobError(
            f"{path} cannot be written: {why}; {_KEPT}", "check the folder, and run the same command again"
        ) from error


def flush_folder(folder: Path) -> None:
    """So that a rename in it outlives a failure of power."""
    if os.name == "nt":  # folders cannot be opened there, and need no flush
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_table(path: Path, table: Any, manifest: Mapping[str, object]) -> None:
    """A pyarrow Table as Parquet that carries its manifest and the hash of both. Raises JobError."""
    parquet = pyarrow_parquet()
    text = json.dumps(manifest, sort_keys=True)
    own = {_MANIFEST: text.encode(), _CONTENT: _hash(table, text).encode()}
    write_whole(path, lambda file: parquet.write_table(table.replace_schema_metadata(own), file))


def read_table(path: Path) -> tuple[Any, dict[str, Any]] | None:
    """(table, manifest) of a file that write_table wrote and that is as it was; None for a damaged or another one."""
    parquet = pyarrow_parquet()
    try:
        table = parquet.read_table(path, partitioning=None)
        known = table.schema.metadata or {}
        text, wanted = known[_MANIFEST].decode(), known[_CONTENT].decode()
        if _hash(table, text) != wanted:
            return None
        return table.replace_schema_metadata(None), json.loads(text)
    except (OSError, ValueError, KeyError):  # ArrowInvalid is a ValueError
        return None


def _hash(table: Any, manifest: str) -> str:
    """SHA-256 of names, types and values, however the file lays them out: bits of floats, a NaN like another."""
    found = hashlib.sha256(manifest.encode())
    found.update(str(table.schema.remove_metadata()).encode())
    for column in table.columns:
        found.update(json.dumps(column.to_pylist()).encode())
    return found.hexdigest()
