"""One writer a target, and the removal of what dead ones left.

The lock is the kernel's, so it holds between containers on one volume and ends with its process. Where a file system
has no locks nothing is lost but the early word: names are random, folders change place by a rename, and of two that
write the same target the later rename fails.
"""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yesrank.errors import InputError

_PARTIAL, _DELETING = "partial", "deleting"


@contextmanager
def claimed(target: Path, purpose: str = "lock", *, wait: float = 0.0) -> Iterator[bool]:
    """Holds the lock file .NAME.PURPOSE beside `target`; yields False where the file system has no locks.

    wait: seconds for another process to end. Raises InputError where it does not.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(target.parent / f".{target.name}.{purpose}", timeout=wait)
    held = True
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            "target", f"{target} is being written or removed by another process", "wait for it, and run again"
        ) from error
    except (OSError, NotImplementedError):
        held = False
    try:
        yield held
    finally:
        if held:
            with suppress(OSError):  # before the release: who comes next makes a file of its own
                Path(lock.lock_file).unlink()
            lock.release()


def partial_name(target: Path) -> Path:
    """A new name beside `target` for what becomes it."""
    return _beside(target, _PARTIAL)


def set_aside(target: Path) -> Path:
    """Takes a folder off its name at once; the new place is to be deleted. Raises OSError."""
    place = _beside(target, _DELETING)
    target.rename(place)
    return place


def discard(target: Path) -> None:
    """Deletes a folder, which is never seen in part at its name. Raises OSError where it cannot be taken off it."""
    shutil.rmtree(set_aside(target), ignore_errors=True)


def remove_partials(target: Path) -> None:
    """Removes what killed runs left that wrote `target`. Only for who holds its lock."""
    for path in _left(target.parent, _PARTIAL, re.escape(target.name)):
        with suppress(OSError):  # renamed first: one that lives after all ends with an error, not with a part
            path.rename(_beside(target, _DELETING))
    for path in _left(target.parent, _DELETING, re.escape(target.name)):
        shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Removes what killed runs left in a folder: what was set aside, parts whose writer has died, their locks."""
    for path in _left(folder, _DELETING):
        shutil.rmtree(path, ignore_errors=True)
    targets = {path.name[1:].rpartition(f".{_PARTIAL}-")[0] for path in _left(folder, _PARTIAL)}
    for name in targets | lock_names(folder):
        with suppress(InputError), claimed(folder / name) as alone:
            if alone:
                remove_partials(folder / name)


def lock_names(folder: Path, purpose: str = "lock") -> set[str]:
    """Names of the targets in a folder for which there is a lock file, held or left."""
    return {path.name[1:].removesuffix(f".{purpose}") for path in folder.glob(f".?*.{purpose}")}


def _beside(target: Path, state: str) -> Path:
    return target.parent / f".{target.name}.{state}-{secrets.token_hex(8)}"


def _left(folder: Path, state: str, name: str = ".+") -> list[Path]:
    """Folders in that state. name: a pattern for that of their target."""
    pattern = re.compile(rf"\.{name}\.{state}-[0-9a-f]{{16}}")
    try:
        return [path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_dir()]
    except OSError:
        return []
