"""The file of names: read strictly, written whole or not at all, by one process at a time."""

import os
import re
import secrets
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yesrank.errors import ModelError
from yesrank.store.entry import BUILTIN, Entry, FieldError, entry_from_table

FORMAT = 1
_OPENING = (
    "# The models that yesrank knows by name. Written by `yesrank add`, `pull`, `remove` and\n"
    "# `default`, which keep no comments of yours; the values may be changed by hand.\n\n"
)
_WAIT = 30.0  # seconds; a change takes milliseconds


@dataclass(frozen=True, slots=True)
class Contents:
    """What the file says. default: the name that is used where none is given, None where it is not set."""

    entries: tuple[Entry, ...] = ()
    default: str | None = None


def read(path: Path) -> Contents:
    """The entries of the file in their order; none where there is no file. Raises ModelError, with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Contents()
    except PermissionError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}",
            "check who may read it, or name another file with YESRANK_CONFIG",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}", _hint(path)) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Contents:
    """What the text says. path: for messages. Raises ModelError, with the line."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{path} is not valid TOML: {error}", _hint(path)) from error
    if not data and text.strip():
        raise _wrong(path, 1, "nothing follows the comment: the file was cut short")
    try:
        _check_top(data)
    except FieldError as error:
        raise _wrong(path, _line(text, (), error.key), error.message) from error
    entries = []
    for name, table in data.get("models", {}).items():
        try:
            entries.append(entry_from_table(name, table))
        except FieldError as error:
            line = _line(text, ("models", name), error.key)
            raise _wrong(path, line, f"model {name!r}: {error.message}") from error
    _check_names(entries, text, path)
    default = data.get("default")
    if default not in (None, BUILTIN, *(entry.name for entry in entries)):
        raise _wrong(path, _line(text, (), "default"), f"default is {default!r}, and no model has that name")
    return Contents(tuple(entries), default)


def render(contents: Contents) -> str:
    """The text of a file that says this."""
    import tomli_w

    default = {} if contents.default is None else {"default": contents.default}
    data = {"format": FORMAT, **default, "models": {each.name: each.as_table() for each in contents.entries}}
    return _OPENING + tomli_w.dumps(data)


def write(path: Path, contents: Contents) -> None:
    """Replaces the file at once: who reads it, or is killed, finds the old one or the new. Raises ModelError."""
    text = render(contents)
    parse(text, path)  # what could not be read again is not written
    real = path.resolve()  # a link to a file elsewhere stays a link
    temporary = real.with_name(f".{real.name}.new-{secrets.token_hex(8)}")
    try:
        for left in real.parent.glob(f".{real.name}.new-*"):  # by a killed writer: this one holds the lock
            left.unlink(missing_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if real.exists():
            shutil.copymode(real, temporary)
        temporary.replace(real)
        _flush_folder(real.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file beside `path`. Raises ModelError where that is impossible or takes too long."""
    from filelock import FileLock, Timeout

    lock = path.with_name(f"{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        holder = FileLock(lock, timeout=_WAIT)
        holder.acquire()
    except Timeout as error:
        raise ModelError(
            f"{path} has been locked by another process for {_WAIT:.0f} s",
            "wait for the other yesrank to end, and run again",
        ) from error
    except NotImplementedError as error:  # filelock's, for a file system without locks
        raise _unwritable(path, OSError(str(error))) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield
    finally:
        holder.release()


def _check_top(data: dict[str, object]) -> None:
    if unknown := sorted(set(data) - {"format", "default", "models"}):
        raise FieldError(unknown[0], f"{unknown[0]} is not known; a model is a table [models.NAME]")
    if data.get("format", FORMAT) != FORMAT:
        raise FieldError(
            "format", f"format is {data['format']!r}, this version of yesrank reads {FORMAT}: upgrade yesrank"
        )
    if not isinstance(data.get("default", ""), str):
        raise FieldError("default", "default must be the name of a model")
    if not isinstance(data.get("models", {}), dict):
        raise FieldError("models", "models must be a table")


def _check_names(entries: list[Entry], text: str, path: Path) -> None:
    owners = {BUILTIN: "the package"}
    for entry in entries:
        for name in entry.names:
            if (other := owners.setdefault(name.casefold(), entry.name)) != entry.name:
                line = _line(text, ("models", entry.name), None if name == entry.name else "aliases")
                raise _wrong(path, line, f"model {entry.name!r}: {name!r} is a name of {other!r} already")


def _line(text: str, table: tuple[str, ...], key: str | None) -> int | None:
    """The line of a key, else of its table's header: a search for messages only, None where it fails."""
    here: tuple[str, ...] = ()
    header = None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            here = _header(stripped)
            if here == table or (not table and key is not None and here[:1] == (key,)):
                header = number
        elif (
            here == table and key is not None and re.match(rf'["\']?{re.escape(key)}["\']?\s*[=.]', stripped)
        ):
            return number
    return header


def _header(line: str) -> tuple[str, ...]:
    """The keys of a table's header line."""
    try:
        data: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    keys = []
    while isinstance(data, dict) and data:
        keys.append(next(iter(data)))
        data = data[keys[-1]]
    return tuple(keys)


def _wrong(path: Path, line: int | None, message: str) -> ModelError:
    return ModelError(f"{path}{f', line {line}' if line else ''}: {message}", _hint(path))


def _hint(path: Path) -> str:
    return f"correct the file, or move it away to begin anew: {path}"


def _unwritable(path: Path, error: OSError) -> ModelError:
    return ModelError(
        f"{path} cannot be written: {error.strerror or error}", "name another file with YESRANK_CONFIG"
    )


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there, and need no flush
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
