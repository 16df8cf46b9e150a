"""The tables of an index, and what tells one from any other SQLite file."""

from dataclasses import dataclass

from yesrank.search.terms import VERSION as TERMS

APPLICATION = 0x59527331  # "YRs1"
VERSION = 1
"""Of the tables. A higher one is of a newer yesrank, and refused."""

# Passages have ascending ids that are never given twice. `postings` are kept in segments: what was written together,
# its passages in the order of their ids, none of them in two. Passages after the last segment wait for the next one.
# Sums stand beside all that is read for an answer: SQLite does not see a bit that has changed on a disk.
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, changed INTEGER NOT NULL,
    seen INTEGER NOT NULL, hash BLOB NOT NULL, kind TEXT NOT NULL, language TEXT NOT NULL, notes TEXT NOT NULL,
    sum INTEGER NOT NULL);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL REFERENCES files (id), heading TEXT NOT NULL,
    text TEXT NOT NULL, first INTEGER, last INTEGER, page INTEGER, record TEXT, language TEXT NOT NULL,
    sum INTEGER NOT NULL);
CREATE INDEX passages_of_file ON passages (file);
CREATE TABLE skipped (path TEXT PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE left_out (root TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (root, reason))
    WITHOUT ROWID;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    ids BLOB NOT NULL, lengths BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE postings (
    segment INTEGER NOT NULL, term TEXT NOT NULL, ids BLOB NOT NULL, counts BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (segment, term)) WITHOUT ROWID;
CREATE TABLE removed (id INTEGER PRIMARY KEY);
CREATE TABLE languages (language TEXT PRIMARY KEY) WITHOUT ROWID;
"""
META = {"terms": str(TERMS), "last": "0"}


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was read. changed, seen: nanoseconds since 1970, of its last change and of the reading."""

    id: int
    path: str
    size: int
    changed: int
    seen: int
    hash: bytes
    kind: str
