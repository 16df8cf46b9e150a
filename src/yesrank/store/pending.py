"""Folders on their way in or out: which of them a killed command has left, so that they may be deleted.

A marker beside such a folder says for which file of names yesrank has made it, and is there before either is changed.
A folder without name and marker is somebody's: kept by `remove`, or named in another file.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yesrank.claims import claimed, lock_names, remove_leftovers
from yesrank.errors import InputError
from yesrank.store.store import Store

_PURPOSE, _MARKER = "change", "pending"
_WAIT = 10.0  # seconds; a removal takes milliseconds, an addition may take an hour


@contextmanager
def changing(target: Path, store: Store) -> Iterator[None]:
    """Marks the folder while a command adds or removes its model, one at a time. Raises InputError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "name", f"{target.parent} cannot be written: {error}", "name another folder with YESRANK_MODELS"
        ) from error
    with claimed(target, _PURPOSE, wait=_WAIT):
        try:
            yield
        finally:
            if not is_leftover(target, store):
                unmark(target)


def tidy(folder: Path, store: Store) -> None:
    """Removes from the folder of models what killed commands left, but for whole folders without a name."""
    remove_leftovers(folder)
    names = lock_names(folder, _PURPOSE) | lock_names(folder, _MARKER)
    for target in (folder / name for name in names):
        with suppress(InputError, OSError), claimed(target, _PURPOSE) as alone:
            if alone and not is_leftover(target, store):
                unmark(target)


def mark(target: Path, store: Store) -> None:
    """Says that what stands or will stand at `target` goes with its entry in the file of names. Raises OSError."""
    with _marker(target).open("w", encoding="utf-8") as file:
        json.dump({"names": str(store.path)}, file)
        file.flush()
        os.fsync(file.fileno())


def unmark(target: Path) -> None:
    """Says that the folder is nobody's garbage. Raises OSError."""
    _marker(target).unlink(missing_ok=True)


def is_leftover(target: Path, store: Store) -> bool:
    """Whether a killed command left the folder, and no name in its file of names is for it. Raises ModelError."""
    try:
        said = json.loads(_marker(target).read_text(encoding="utf-8"))
        names = Path(said["names"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if names != store.path and not names.is_file():  # as another container calls it, for example
        return False
    return target.is_dir() and all(entry.path != target for entry in Store(names).list())


def _marker(target: Path) -> Path:
    return target.parent / f".{target.name}.{_MARKER}"
