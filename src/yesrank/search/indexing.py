"""Paths -> an index that is up to date: what has changed is read, what is gone is taken out, the rest is left alone."""

import hashlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from yesrank.claims import claimed
from yesrank.errors import InputError, MissingExtra
from yesrank.search import database
from yesrank.search.languages import language_of
from yesrank.search.passages import passages
from yesrank.search.places import index_file
from yesrank.search.read import read_file
from yesrank.search.schema import FileState
from yesrank.search.sections import Section
from yesrank.search.walk import Walked, walk
from yesrank.search.writing import NewFile, Writer
from yesrank.words import normal

LARGEST = 64 * 2**20
"""Bytes of a file that is read: a larger one is a dump or a log, and would be most of the index."""
_SETTLED = 2_000_000_000  # nanoseconds: a file that changes just after it was read may keep its time
_SAMPLE = 20_000
_DETAIL = 300
TOO_LARGE, UNREADABLE, NO_TEXT, EMPTY, NO_NAME = (
    "too large", "cannot be read", "no text that can be read", "empty", "with a name that is not UTF-8",
)  # fmt: skip
Told = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What a run did, in files; passages: of those that were read. skipped: how many for which reason."""

    read: int = 0
    passages: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    details: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def index(
    paths: Sequence[Path],
    name: str,
    *,
    rebuild: bool = False,
    largest: int = LARGEST,
    told: Told | None = None,
) -> Report:
    """Brings the index of that name up to date with files and folders; makes it where there is none.

    paths: what is added; without any, all that it was made of. rebuild: begin anew. largest: bytes of a file.
    told: called with each path before it is looked at. What was indexed before and lies under no given path stays.
    Raises InputError, SearchError; after any end, also a kill, what was done file by file is kept.
    """
    target = index_file(name)
    roots = [_root(path) for path in paths]
    with _alone(target, name):
        if rebuild:
            roots = roots or [Path(each) for each in _known_roots(target)]
        if not roots and (rebuild or not target.exists()):
            raise InputError(
                "paths", "there are none", f"say what to index: yesrank index PATH... --name {name}"
            )
        if rebuild:
            _remove(target)
        with closing(database.open_or_create(target)) as connection:
            database.quick_check(connection, target)
            return _Run(Writer(connection, target), _Known(connection, target), largest, told).go(roots)


def remove(name: str) -> None:
    """Deletes an index; the files that it was made of are not touched. Raises IndexNotFound, InputError."""
    target = index_file(name)
    with _alone(target, name):
        if not target.exists():
            database.open_existing(target)
        _remove(target)


class _Known:
    """What the index knows of files."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        with database.told(path):
            rows = connection.execute("SELECT id, path, size, changed, seen, hash, kind FROM files")
            self.files = {row[1]: FileState(*row) for row in rows}
            self.skipped = {row[0] for row in connection.execute("SELECT path FROM skipped")}
            self.roots = [row[0] for row in connection.execute("SELECT path FROM roots ORDER BY path")]


class _Run:
    def __init__(self, writer: Writer, known: _Known, largest: int, told: Told | None) -> None:
        self._writer, self._known, self._largest = writer, known, largest
        self._told = told or (lambda _: None)
        self._report = Report()

    def go(self, roots: Sequence[Path]) -> Report:
        """Walks each path to its end."""
        for root in roots or [Path(each) for each in self._known.roots]:
            if not root.exists():
                self._report.notes.append(
                    f"{root} is not there (a disk that is not mounted?); what is known of it stays in the index"
                )
                continue
            met = Walked()
            seen = {str(path) for path in self._each(root, met)}
            self._forget(root, seen, met)
            self._report.skipped.update(met.skipped)
            self._writer.walked(str(root), met.skipped.items())
        self._writer.finish()
        return self._report

    def _each(self, root: Path, met: Walked) -> Iterator[Path]:
        for path in walk(root, met):
            self._told(str(path))
            self._one(path)
            yield path

    def _one(self, path: Path) -> None:
        if _without_surrogates(str(path)) != str(path):
            self._report.skipped[NO_NAME] += 1
            self._report.details.append((_without_surrogates(str(path)), NO_NAME, ""))
            return
        before = self._known.files.get(str(path))
        try:
            found = path.stat()
            if before is not None and _same(before, found):
                self._report.unchanged += 1
                return
            if found.st_size > self._largest:
                self._skip(path, TOO_LARGE, f"{found.st_size:,} bytes; at most {self._largest:,} are read")
                return
            seen = time.time_ns()
            data = path.read_bytes()
            after = path.stat()
        except OSError as error:
            # what it held before stays: it is there, and may be readable again
            self._skip(path, UNREADABLE, error.strerror or str(error), forget=False)
            return
        still = (found.st_size, found.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        digest = hashlib.blake2b(data, digest_size=16).digest()
        # a file that was written meanwhile is read anew the next time
        state = FileState(0, str(path), len(data), found.st_mtime_ns if still else 0, seen, digest, "")
        if before is not None and before.hash == digest:
            self._writer.unchanged(FileState(before.id, *_values(state)))
            self._report.unchanged += 1
            return
        self._read(path, data, state)

    def _read(self, path: Path, data: bytes, state: FileState) -> None:
        try:
            extract = read_file(data, str(path))
        except MissingExtra as error:
            self._skip(path, f"needs a reader: {error.hint}", error.message)
            return
        except InputError as error:
            self._skip(path, NO_TEXT, error.message.partition(": ")[2] or error.message)
            return
        pieces = [*passages(map(_clean, extract.sections))]
        if not pieces:
            self._skip(path, EMPTY, "")
            return
        sample = normal(" ".join(section.text[:_SAMPLE] for section in extract.sections[:50])[:_SAMPLE])
        kept = FileState(0, *_values(state)[:-1], extract.kind)
        self._writer.replace(NewFile(kept, language_of(sample.split()), extract.notes, pieces))
        self._report.read += 1
        self._report.passages += len(pieces)
        self._report.notes += extract.notes

    def _skip(self, path: Path, reason: str, detail: str, *, forget: bool = True) -> None:
        self._writer.skip(str(path), reason, detail[:_DETAIL], forget=forget)
        self._report.skipped[reason] += 1
        self._report.details.append((str(path), reason, detail))

    def _forget(self, root: Path, seen: set[str], met: Walked) -> None:
        """Takes out what lay under the path and was not met. What lies in a closed folder may be there."""
        below = str(root).rstrip(os.sep) + os.sep
        closed = tuple(str(folder) + os.sep for folder in met.closed)
        gone = [
            path
            for path in self._known.files.keys() | self._known.skipped
            if (path.startswith(below) or path == str(root))
            and path not in seen
            and not path.startswith(closed or "\0")
        ]
        self._report.removed += sum(path in self._known.files for path in gone)
        if gone:
            self._writer.forget(gone)


def _same(before: FileState, found: os.stat_result) -> bool:
    """Whether nothing says that the file has changed since it was read."""
    settled = before.seen - before.changed > _SETTLED
    return settled and (before.size, before.changed) == (found.st_size, found.st_mtime_ns)


def _clean(section: Section) -> Section:
    """Without lone surrogates, which JSON's escapes may hold and no database takes."""
    whole = (section.text, *section.heading, section.id or "")
    if all(map(_is_text, whole)):
        return section
    text, *heading, number = map(_without_surrogates, whole)
    return replace(section, text=text, heading=(*heading,), id=number or None)


def _is_text(text: str) -> bool:
    return _without_surrogates(text) == text


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _values(state: FileState) -> tuple[str, int, int, int, bytes, str]:
    return state.path, state.size, state.changed, state.seen, state.hash, state.kind


def _root(path: Path) -> Path:
    found = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  links stay as they were named
    if not found.exists():
        raise InputError("paths", f"there is no file or folder {path}", "check the name")
    return found


@contextmanager
def _alone(target: Path, name: str) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with claimed(target):
            yield
    except InputError as error:
        if error.field != "target":
            raise
        raise InputError(
            "name", f"the index {name!r} is being written by another process", "wait for it, and run again"
        ) from error


def _known_roots(target: Path) -> list[str]:
    """Whatever can still be read of an index that is made anew: it may be damaged, or of another version."""
    if not target.exists():
        return []
    try:
        with closing(sqlite3.connect(target)) as connection:
            return [str(row[0]) for row in connection.execute("SELECT path FROM roots ORDER BY path")]
    except sqlite3.Error:
        return []


def _remove(target: Path) -> None:
    for path in (target, target.with_name(target.name + "-wal"), target.with_name(target.name + "-shm")):
        path.unlink(missing_ok=True)
