"""One SQLite file: opened, checked for what it is, and its failures told as ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from yesrank.errors import IndexDamaged, IndexNotFound, SearchError
from yesrank.search import schema
from yesrank.search.places import ENDING, index_names

_WAIT = 30.0  # seconds for a lock, which nobody holds for longer than a write of one file
_CACHE_KB = 64 * 1024


def open_existing(path: Path) -> sqlite3.Connection:
    """For reading and writing. Raises IndexNotFound, IndexDamaged, or SearchError for what is of another version."""
    if not path.is_file():
        raise _missing(path)
    with told(path), _opened(path) as connection:
        if _is_empty(connection):  # all that was left of a run that was ended as it began
            raise _missing(path)
        _check(connection, path)
        return connection


def open_or_create(path: Path) -> sqlite3.Connection:
    """As `open_existing`; where there is nothing, an empty index is made, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with told(path), _opened(path) as connection:
        if _is_empty(connection):
            with transaction(connection):
                for statement in schema.TABLES.split(";"):
                    connection.execute(statement)
                connection.executemany("INSERT INTO meta VALUES (?, ?)", schema.META.items())
                connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
                connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        _check(connection, path)
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is written within, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read within is of one moment, whatever others write."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with the next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "malformed" in str(error):
            raise damaged(path, str(error)) from error
        raise SearchError(f"the index {path} cannot be used: {error}", _advice(str(error))) from error
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:  # values of another kind than was written
        raise damaged(path, str(error)) from error


def damaged(path: Path, what: str) -> IndexDamaged:
    """The error about a file that does not hold what was written. Nothing is deleted: somebody may want to look."""
    name = _name(path)
    return IndexDamaged(
        f"the index {name!r} is damaged: {what} ({path})",
        f"your files are not touched; make the index again: yesrank index PATH... --name {name} --rebuild",
    )


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """Reads the whole file's structure. Raises IndexDamaged."""
    with told(path), closing(connection.execute("PRAGMA quick_check(1)")) as rows:
        found = rows.fetchone()[0]
    if found != "ok":
        raise damaged(path, str(found).replace("\n", " "))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Closed again where it turns out not to be usable."""
    connection = _connect(path)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "PRAGMA synchronous = NORMAL"
        )  # with WAL a loss of power takes the last files, no more
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return not application and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _missing(path: Path) -> IndexNotFound:
    return IndexNotFound(f"there is no index {_name(path)!r}", _known(path))


def _check(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != schema.APPLICATION:
        raise IndexDamaged(f"{path} is no index of yesrank", "move it away, or choose another --name")
    if version > schema.VERSION:
        raise SearchError(
            f"the index {_name(path)!r} was made by a newer yesrank (version {version}, known here: {schema.VERSION})",
            "update yesrank: pip install -U yesrank; or make another index under another --name",
        )
    terms = connection.execute("SELECT value FROM meta WHERE key = 'terms'").fetchone()
    if version < schema.VERSION or terms is None or terms[0] != schema.META["terms"]:
        raise SearchError(
            f"the index {_name(path)!r} was made by another version of yesrank, which cut words otherwise",
            f"make it again: yesrank index --name {_name(path)} --rebuild",
        )


def _advice(error: str) -> str:
    if "locked" in error or "busy" in error:
        return "another process writes it for a long time: wait for it, and run again"
    if "full" in error:
        return "free some space, and run again: what was written before is kept"
    return "check who may read and write the file and its folder"


def _name(path: Path) -> str:
    return path.name.removesuffix(ENDING)


def _known(path: Path) -> str:
    names = index_names()
    make = f"make it: yesrank index PATH... --name {_name(path)}"
    return f"{make}; there is: {', '.join(names)}" if names else make
