"""What changes an index: a file's passages come and go, in one transaction each; postings follow in larger parts."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from yesrank.search import database, postings
from yesrank.search.passages import Piece
from yesrank.search.postings import Segment
from yesrank.search.schema import FileState
from yesrank.search.terms import Terms, terms_of

PENDING = 1000
"""Passages that wait for a segment at most: a search cuts them into terms itself, and after a kill they are all that
has to be cut again."""
_MANY_REMOVED = 0.25


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file as it was read, with its passages. state.id is not used: it gets one."""

    state: FileState
    language: str
    notes: tuple[str, ...]
    pieces: Sequence[Piece]


class Writer:
    """The one writer of an index; its caller holds the lock. Each method is a transaction of its own.

    After an error it is of no more use: what is in memory may be of passages that were never written.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._open = Segment()
        self._next = _highest(connection)
        for row in pending(connection):
            found = terms_of_passage(row.path, row.heading, row.text, row.language)
            self._open.add(row.id, found.counts, found.length)

    def replace(self, file: NewFile) -> None:
        """Puts a file in the place of what is known under its path."""
        with database.told(self._path), database.transaction(self._connection):
            self._remove(file.state.path)
            self._connection.execute("DELETE FROM skipped WHERE path = ?", (file.state.path,))
            self._add(file)
        if len(self._open) >= PENDING:
            self.flush()

    def unchanged(self, state: FileState) -> None:
        """Only the time of a file has changed, not what it holds."""
        with database.told(self._path), database.transaction(self._connection):
            self._connection.execute(
                "UPDATE files SET size = ?, changed = ?, seen = ? WHERE id = ?",
                (state.size, state.changed, state.seen, state.id),
            )

    def skip(self, path: str, reason: str, detail: str, *, forget: bool) -> None:
        """Notes why a file is not read. forget: what it held before goes."""
        with database.told(self._path), database.transaction(self._connection):
            if forget:
                self._remove(path)
            self._connection.execute(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?)", (path, reason, detail)
            )

    def forget(self, paths: Iterable[str]) -> None:
        """Removes files that are gone, and what was noted of them."""
        with database.told(self._path), database.transaction(self._connection):
            for path in paths:
                self._remove(path)
                self._connection.execute("DELETE FROM skipped WHERE path = ?", (path,))

    def walked(self, root: str, left_out: Iterable[tuple[str, int]]) -> None:
        """Notes that a path was walked to its end, and what was left out there."""
        with database.told(self._path), database.transaction(self._connection):
            self._connection.execute("INSERT OR IGNORE INTO roots VALUES (?)", (root,))
            self._connection.execute("DELETE FROM left_out WHERE root = ?", (root,))
            self._connection.executemany(
                "INSERT INTO left_out VALUES (?, ?, ?)", ((root, reason, count) for reason, count in left_out)
            )

    def flush(self) -> None:
        """Makes a segment of what waits, and one of several small ones."""
        with database.told(self._path), database.transaction(self._connection):
            self._flush()
        while self._merge_due():
            pass

    def finish(self) -> None:
        """Flushes, and hands the space of the log back."""
        self.flush()
        with database.told(self._path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _flush(self) -> None:
        postings.write(self._connection, self._open)
        if len(self._open):
            last = str(self._open.ids[-1])
            self._connection.execute("UPDATE meta SET value = ? WHERE key = 'last'", (last,))
        self._open = Segment()

    def _merge_due(self) -> bool:
        with database.told(self._path), database.transaction(self._connection):
            rows = self._connection.execute("SELECT id, count FROM segments ORDER BY id").fetchall()
            removed = self._connection.execute("SELECT count(*) FROM removed").fetchone()[0]
            many = removed > _MANY_REMOVED * sum(count for _, count in rows)
            last = len(rows) if many and removed else postings.due([count for _, count in rows])
            if not last:
                return False
            postings.merge(self._connection, [number for number, _ in rows[-last:]])
            if last == len(rows):  # nothing is left that could hold one
                self._connection.execute("DELETE FROM removed")
        return True

    def _add(self, file: NewFile) -> None:
        state = file.state
        number = self._connection.execute(
            "INSERT INTO files (path, size, changed, seen, hash, kind, language, notes, sum) "
            "VALUES (?,?,?,?,?,?,?,?,?)",
            (
                state.path, state.size, state.changed, state.seen, state.hash, state.kind, file.language,
                json.dumps(file.notes, ensure_ascii=False), postings.checked(state.path, state.kind),
            ),
        ).lastrowid  # fmt: skip
        languages = set()
        for piece in file.pieces:
            heading = json.dumps(piece.heading, ensure_ascii=False)
            found = terms_of_passage(state.path, piece.heading, piece.text, file.language)
            first, last = piece.lines or (None, None)
            self._next += 1
            row = (heading, piece.text, first, last, piece.page, piece.id)
            self._connection.execute(
                "INSERT INTO passages (id, file, heading, text, first, last, page, record, language, sum) "
                "VALUES (?,?,?,?,?,?,?,?,?,?)",
                (self._next, number, *row, file.language, postings.checked(self._next, number, *row)),
            )
            languages.add(found.language)
            self._open.add(self._next, found.counts, found.length)
            if len(self._open) >= 2 * PENDING:  # of one large file: still within its transaction
                self._flush()
        self._connection.executemany(
            "INSERT OR IGNORE INTO languages VALUES (?)", ((each,) for each in languages)
        )

    def _remove(self, path: str) -> None:
        row = self._connection.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        if row is None:
            return
        self._connection.execute("INSERT INTO removed SELECT id FROM passages WHERE file = ?", row)
        self._connection.execute("DELETE FROM passages WHERE file = ?", row)
        self._connection.execute("DELETE FROM files WHERE id = ?", row)


@dataclass(frozen=True, slots=True)
class PendingPassage:
    """A passage that is in no segment yet."""

    id: int
    path: str
    heading: tuple[str, ...]
    text: str
    language: str


def _highest(connection: sqlite3.Connection) -> int:
    """The highest id that was ever given to a passage."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'passages'").fetchone()
    return 0 if row is None else int(row[0])


def last_in_segment(connection: sqlite3.Connection) -> int:
    """The highest id of a passage that was put into a segment; 0 where there is none."""
    return int(connection.execute("SELECT value FROM meta WHERE key = 'last'").fetchone()[0])


def pending(connection: sqlite3.Connection) -> list[PendingPassage]:
    """The passages after the last segment."""
    rows = connection.execute(
        "SELECT passages.id, files.path, heading, text, passages.language FROM passages "
        "JOIN files ON files.id = passages.file WHERE passages.id > ? ORDER BY passages.id",
        (last_in_segment(connection),),
    )
    return [
        PendingPassage(number, path, tuple(json.loads(heading)), text, language)
        for number, path, heading, text, language in rows
    ]


def terms_of_passage(path: str, heading: Sequence[str], text: str, language: str) -> Terms:
    """The terms by which a passage is found: its own, those of its headings and of its file's name."""
    return terms_of("\n".join((Path(path).stem, *heading, text)), language)
