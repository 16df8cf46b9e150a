"""SHA-256 of files that are large: every byte is read once, and again only when the file is another one.

What was read is remembered by the file's identity (device, inode, size, times of its last changes), in a small file of
the user's cache; it holds no names. Samples of the content are compared each time: a disk that loses a block changes
no time. Where the cache cannot be written, the files are read again in the next process.
"""

import hashlib
import math
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from yesrank.errors import ModelError
from yesrank.manifest import sha256

VARIABLE = "YESRANK_HASHES"
_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16
_SMALL = _SAMPLES * _SAMPLE_BYTES  # read whole each time
_SETTLED = (
    2_000_000_000  # ns: a younger file may change again within the same tick of the file system's clock
)
_BUSY_SECONDS = 1  # writing takes a few thousandths; reading the file anew, not for ever
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS files (file TEXT PRIMARY KEY, state TEXT, sha256 TEXT, samples TEXT)",
    "CREATE TABLE IF NOT EXISTS numbers (what TEXT PRIMARY KEY, value REAL)",
)

Row = tuple[str, str, str]
_known: dict[str, Row] = {}
_lock = threading.Lock()


def default_path() -> Path:
    """YESRANK_HASHES, else hashes.sqlite in the platform's cache folder."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("yesrank", appauthor=False) / "hashes.sqlite"


def identity(path: Path) -> tuple[str, str]:
    """Which file it is, and its state: both change with a change of its content, as far as its system knows of it."""
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}", f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def content_hash(path: Path, *, anew: bool = False) -> str:
    """SHA-256 in hexadecimal. anew: whatever is remembered.

    Raises ModelError where the file cannot be read or changes meanwhile.
    """
    try:
        if path.stat().st_size <= _SMALL:
            return sha256(path)
        file, state = identity(path)
        sampled = _sampled(path)
        known = None if anew else _recall(file)
        if known is not None and known[0] == state and known[2] == sampled:
            return known[1]
        found = sha256(path)
        if identity(path) != (file, state):
            raise ModelError(f"{path} changed while it was read", "wait for what writes it, and run again")
        if time.time_ns() - max(path.stat().st_mtime_ns, path.stat().st_ctime_ns) > _SETTLED:
            _remember(file, (state, found, sampled))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    return found


def recall_number(what: str) -> float | None:
    """A number that remember_number was given in this process or another."""
    if (row := _execute("SELECT value FROM numbers WHERE what = ?", (what,))) is None:
        return None
    return float(row[0])


def remember_number(what: str, value: float) -> None:
    """Keeps what was measured of files that are named by their identity. A number that is none is not kept."""
    if math.isfinite(value):
        _execute("INSERT OR REPLACE INTO numbers VALUES (?, ?)", (what, value))


def _sampled(path: Path) -> str:
    """Hash of blocks that lie evenly in the file, the first and the last among them."""
    digest = hashlib.sha256()
    last = path.stat().st_size - _SAMPLE_BYTES
    with path.open("rb") as file:
        for number in range(_SAMPLES):
            file.seek(last * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _recall(file: str) -> Row | None:
    with _lock:
        found = _known.get(file)
    return found or _execute("SELECT state, sha256, samples FROM files WHERE file = ?", (file,))


def _remember(file: str, row: Row) -> None:
    with _lock:
        _known[file] = row
    _execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (file, *row))


def _execute(statement: str, values: tuple[str | float, ...]) -> Row | None:
    """The first row. None, too, where the file of hashes cannot be used: it saves time, and nothing depends on it."""
    path = default_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as memory, memory:
            for table in _SCHEMA:
                memory.execute(table)
            row: Row | None = memory.execute(statement, values).fetchone()
    except (OSError, sqlite3.Error):
        return None
    return row
