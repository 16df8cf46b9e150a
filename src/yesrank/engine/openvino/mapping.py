"""Giving back the pages of a mapped weights file once the device has made its own copy of them."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MADV_DONTNEED = 4  # Linux: drop the pages of a mapping; a clean file-backed page is read again when needed
_SECONDS = 0.05


@contextmanager
def pages_released(path: Path) -> Iterator[None]:
    """While the block runs, and once after it, drops the resident pages of `path` from this process.

    OpenVINO maps the .bin and repacks each matrix at its first use. The mapped original would count as resident for as
    long as the model lives, and at the first call the two together would be the peak of the whole process.
    """
    done = threading.Event()

    def keep_dropping() -> None:
        while not done.wait(_SECONDS):
            _drop_pages(path)

    thread = threading.Thread(target=keep_dropping, name="yesrank-pages", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _drop_pages(path)


def _drop_pages(path: Path) -> None:
    """Does nothing outside Linux. Only read-only mappings of that very file are touched."""
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        span, permissions, _, _, _, *name = line.split(maxsplit=5)
        if name == [str(path.resolve())] and "w" not in permissions:
            begin, end = (int(part, 16) for part in span.split("-"))
            madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)
