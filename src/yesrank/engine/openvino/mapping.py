"""Giving back the pages of a mapped weights file once the device has made its own copy of them."""

import ctypes
import sys
from pathlib import Path

_MADV_DONTNEED = 4  # Linux: drop the pages of a mapping; a clean file-backed page is read again when needed


def release_pages(path: Path) -> None:
    """Drops resident pages of `path` from this process. Does nothing outside Linux; never fails.

    OpenVINO maps the .bin and repacks each matrix at its first use; the mapped original would otherwise count as
    resident for as long as the model lives.
    """
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        span, permissions, _, _, _, *name = line.split(maxsplit=5)
        if name == [str(path.resolve())] and "w" not in permissions:
            begin, end = (int(part, 16) for part in span.split("-"))
            madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)
