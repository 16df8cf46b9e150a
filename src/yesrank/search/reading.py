"""An index that is asked: candidates for a query, passages by their id, and what the index holds."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from yesrank.errors import IndexNotFound
from yesrank.search import database, lexical, postings
from yesrank.search.languages import STEMMERS
from yesrank.search.lexical import Lexicon
from yesrank.search.places import index_file
from yesrank.search.terms import Wanted, wanted

_SELECT = (
    "SELECT passages.id, passages.file, files.path, files.kind, files.sum, heading, text, first, last, page, record, "
    "passages.sum FROM passages JOIN files ON files.id = passages.file WHERE passages.id"
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage as it is kept. lines: first and last; page, record: where the file has such. path: its file's."""

    id: int
    path: str
    kind: str
    heading: tuple[str, ...]
    text: str
    lines: tuple[int, int] | None
    page: int | None
    record: str | None

    @property
    def shown(self) -> str:
        """What a model is given: the headings, which say what the text is about, and the text."""
        return " > ".join(self.heading) + "\n" + self.text if self.heading else self.text

    @property
    def place(self) -> str:
        """Where a person finds it: notes/a.md:12, paper.pdf, page 3."""
        if self.page is not None:
            return f"{self.path}, page {self.page}"
        return f"{self.path}:{self.lines[0]}" if self.lines else self.path

    def as_data(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "passage": self.id,
            "path": self.path,
            "place": self.place,
            "kind": self.kind,
            "heading": [*self.heading],
            "lines": None if self.lines is None else [*self.lines],
            "page": self.page,
            "record": self.record,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that the first stage has found. score: its BM25 score, or the fused one; higher is better."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Status:
    """What an index holds. skipped: how many files for which reason. waiting: passages that were not put into segments
    yet, since an index run goes on or was ended; they are found all the same.
    """

    name: str
    path: Path
    roots: tuple[str, ...]
    files: int
    passages: int
    kinds: dict[str, int]
    skipped: dict[str, int]
    bytes: int
    waiting: int


class Index:
    """An index that is open for reading. Several threads may use it, and others may write the index meanwhile."""

    def __init__(self, name: str) -> None:
        """Raises IndexNotFound, IndexDamaged, SearchError, or InputError for what is no name."""
        self.name, self.path = name, index_file(name)
        self._connection = database.open_existing(self.path)
        self._file = self.path.stat().st_ino
        self._lock = Lock()
        self._known: tuple[int, Lexicon] | None = None

    def candidates(self, query: str, count: int) -> list[Candidate]:
        """The best passages of the first stage, best first. Raises IndexDamaged."""
        with self._read() as connection:
            lexicon = self._lexicon(connection)
            found = lexical.scores(connection, lexicon, wanted(query, self._languages(connection)))
            at = lexical.best(found, count)
            passages = self._passages(connection, [int(each) + lexicon.first for each in at])
            self._same(len(passages), len(at))
            return [Candidate(passage, float(found[passage.id - lexicon.first])) for passage in passages]

    def words(self, query: str) -> list[tuple[Wanted, float]]:
        """The words of a query, and how much each of them tells in this index."""
        with self._read() as connection:
            asked = wanted(query, self._languages(connection))
            weights = lexical.weights(connection, self._lexicon(connection), asked)
        return [*zip(asked, weights, strict=True)]

    def passage(self, number: int) -> Passage:
        """Raises IndexNotFound where there is none: its file has changed or gone since."""
        with self._read() as connection:
            found = self._passages(connection, [number])
        if not found:
            raise IndexNotFound(
                f"the index {self.name!r} has no passage {number}; its file may have changed since",
                "search again",
            )
        return found[0]

    def around(self, passage: Passage, before: int, after: int) -> list[Passage]:
        """The passage with its neighbours in the file."""
        with self._read() as connection:
            row = connection.execute("SELECT file FROM passages WHERE id = ?", (passage.id,)).fetchone()
            near: list[int] = [passage.id]
            for sign, order, count in (("<", "DESC", before), (">", "ASC", after)):
                found = connection.execute(
                    f"SELECT id FROM passages WHERE file = ? AND id {sign} ? ORDER BY id {order} LIMIT ?",
                    (row[0] if row else -1, passage.id, count),
                )
                near += [each[0] for each in found]
            return self._passages(connection, sorted(near))

    def status(self) -> Status:
        """Counts of what the index holds."""
        with self._read() as connection:
            counts = dict(
                connection.execute("SELECT kind, count(*) FROM files GROUP BY kind ORDER BY 2 DESC, 1")
            )
            skipped = dict(connection.execute("SELECT reason, count(*) FROM skipped GROUP BY reason"))
            for reason, count in connection.execute(
                "SELECT reason, sum(count) FROM left_out GROUP BY reason"
            ):
                skipped[reason] = skipped.get(reason, 0) + count
            roots = tuple(row[0] for row in connection.execute("SELECT path FROM roots ORDER BY path"))
            passages = connection.execute("SELECT count(*) FROM passages").fetchone()[0]
            waiting = connection.execute(
                "SELECT count(*) FROM passages WHERE id > (SELECT value + 0 FROM meta WHERE key = 'last')"
            ).fetchone()[0]
        size = sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.name}*"))
        return Status(
            self.name, self.path, roots, sum(counts.values()), passages, counts, skipped, size, waiting
        )

    def skipped(self) -> list[tuple[str, str, str]]:
        """(path, reason, detail) of the files that were not read."""
        with self._read() as connection:
            return connection.execute("SELECT path, reason, detail FROM skipped ORDER BY path").fetchall()

    def check(self) -> None:
        """Reads all of the index. Raises IndexDamaged where something is not what was written."""
        database.quick_check(self._connection, self.path)
        with self._read() as connection:
            for *parts, total in connection.execute("SELECT segment, term, ids, counts, sum FROM postings"):
                self._same(postings.checked(*parts), total)
            count = len([self._passage(row).id for row in connection.execute(f"{_SELECT} > 0")])
            self._same(count, lexical.load(connection).count)

    @property
    def gone(self) -> bool:
        """Whether the file was deleted or replaced by another since it was opened."""
        try:
            return self.path.stat().st_ino != self._file
        except OSError:
            return True

    def close(self) -> None:
        """Closes the file, after what is being read."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._lock, database.told(self.path), database.snapshot(self._connection):
            yield self._connection

    def _lexicon(self, connection: sqlite3.Connection) -> Lexicon:
        """What was read before, unless somebody has written since."""
        connection.execute(
            "SELECT value FROM meta LIMIT 1"
        ).fetchone()  # the snapshot begins with the first reading
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if self._known is None or self._known[0] != version:
            self._known = (version, lexical.load(connection))
        return self._known[1]

    def _languages(self, connection: sqlite3.Connection) -> list[str]:
        found = [row[0] for row in connection.execute("SELECT language FROM languages")]
        self._same(len({*found} - {"", *STEMMERS}), 0)
        return found

    def _passages(self, connection: sqlite3.Connection, numbers: Sequence[int]) -> list[Passage]:
        """In the order of the numbers; those that are not there are left out."""
        marks = ",".join("?" * len(numbers))
        rows: dict[int, Any] = {row[0]: row for row in connection.execute(f"{_SELECT} IN ({marks})", numbers)}
        return [self._passage(rows[number]) for number in numbers if number in rows]

    def _passage(self, row: Any) -> Passage:
        number, file, path, kind, of_file, heading, text, first, last, page, record, total = row
        self._same(postings.checked(path, kind), of_file)
        self._same(postings.checked(number, file, heading, text, first, last, page, record), total)
        lines = None if first is None else (first, last)
        return Passage(number, path, kind, tuple(json.loads(heading)), text, lines, page, record)

    def _same(self, found: int, expected: int) -> None:
        if found != expected:
            raise database.damaged(self.path, "a part of it is not what was written")
