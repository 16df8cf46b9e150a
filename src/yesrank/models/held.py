"""Files that are held as they are for a moment: whoever wants to change them waits, where the system can do that.

Engines read weights through mappings while they load. A file that is truncated in that moment would end the process
(SIGBUS), and with it all that it serves. Linux lets a process lease a file: a truncation, or an opening for writing,
then waits until the lease is over (45 seconds at most: /proc/sys/fs/lease-break-time). What cannot be held, such as
another file that takes the name, is found out afterwards.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from yesrank.errors import ModelError
from yesrank.models.hashes import identity

try:
    import fcntl
except ImportError:  # Windows, where a mapped file cannot be changed anyway
    _CAN_LEASE = False
else:
    _CAN_LEASE = hasattr(fcntl, "F_SETLEASE")
_F_SETSIG = 10  # of Linux; Python's fcntl has no name for it


@contextmanager
def held(paths: Iterable[Path]) -> Iterator[None]:
    """While the block runs, the content of the files stays as it is, as far as they can be leased.

    Not where they belong to another user, lie on a network's disk, or are open for writing already.
    """
    with ExitStack() as leases:
        for path in paths if _CAN_LEASE else ():
            with suppress(OSError):
                leases.enter_context(_lease(path))
        yield


@contextmanager
def unchanged(folder: Path, patterns: Iterable[str]) -> Iterator[None]:
    """Raises ModelError where a file of these names is not the same one after the block: parts of two models may
    have been read. They are held meanwhile.
    """
    patterns = tuple(patterns)
    before = _identities(folder, patterns)
    with held(before):
        yield
    after = _identities(folder, patterns)
    if after != before:
        name = min(path.name for path in {*before, *after} if before.get(path) != after.get(path))
        raise ModelError(f"{folder / name} changed while it was loaded", "load it again")


def _identities(folder: Path, patterns: Iterable[str]) -> dict[Path, tuple[str, str]]:
    found = {}
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        with suppress(OSError):  # it has just been removed
            found[path] = identity(path)
    return found


@contextmanager
def _lease(path: Path) -> Iterator[None]:
    """Raises OSError where the file cannot be leased. Closing it ends the lease."""
    file = os.open(path, os.O_RDONLY)
    try:
        # the system tells of a waiting writer by a signal, by default one that ends the process: this one is ignored
        fcntl.fcntl(file, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        yield
    finally:
        os.close(file)
