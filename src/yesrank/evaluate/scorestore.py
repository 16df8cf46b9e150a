"""Scores that were computed once, in a small SQLite file: a stopped evaluation goes on where it was."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from yesrank.errors import InputError

VARIABLE = "YESRANK_SCORES"
_BUSY_SECONDS = 60  # two evaluations may share the file
_ID_BYTES = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (run BLOB PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scores (
    run BLOB, query BLOB, document BLOB, logit REAL NOT NULL, truncated INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (run, query, document)
) WITHOUT ROWID;
"""
_SELECT = "SELECT document, logit, truncated, seconds FROM scores WHERE run = ? AND query = ?"


@dataclass(frozen=True, slots=True)
class Scored:
    """One scored pair. logit: float32 as it came from the engine; seconds: its share of the time of its batch."""

    logit: float
    truncated: bool
    seconds: float


def default_path() -> Path:
    """YESRANK_SCORES, else scores.sqlite in the platform's cache folder."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("yesrank", appauthor=False) / "scores.sqlite"


def text_key(text: str) -> bytes:
    """16 bytes of the text's SHA-256: no text is kept in the file."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_ID_BYTES]


class ScoreStore:
    """Logits by settings, query and document. A context manager; `put` is durable when it returns.

    Raises InputError where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._usable():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=_BUSY_SECONDS)
            try:
                self._file.executescript(_SCHEMA)
            except sqlite3.Error:
                self._file.close()
                raise

    def open_run(self, settings: Mapping[str, object]) -> bytes:
        """The key of everything that a score depends on besides the two texts."""
        text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
        key = text_key(text)
        with self._usable(), self._file:
            self._file.execute("INSERT OR IGNORE INTO runs VALUES (?, ?)", (key, text))
        return key

    def forget(self, run: bytes) -> None:
        """Drops the scores of one setting."""
        with self._usable(), self._file:
            self._file.execute("DELETE FROM scores WHERE run = ?", (run,))

    def get(self, run: bytes, query: str, documents: Sequence[str]) -> list[Scored | None]:
        """What is known of a query's documents, in their order."""
        with self._usable():
            rows = self._file.execute(_SELECT, (run, text_key(query))).fetchall()
        known = {key: Scored(logit, bool(truncated), seconds) for key, logit, truncated, seconds in rows}
        return [known.get(text_key(document)) for document in documents]

    def put(self, run: bytes, rows: Iterable[tuple[str, str, Scored]]) -> None:
        """Keeps (query, document, score) rows."""
        values = [
            (run, text_key(query), text_key(document), scored.logit, scored.truncated, scored.seconds)
            for query, document, scored in rows
        ]
        with self._usable(), self._file:
            self._file.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?)", values)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """A full disk, another program's lock, a file that is something else: one error with the next step."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                "scores", f"{self.path} cannot be used: {error}", "name another file with --scores"
            ) from error
