"""gzip, both ways: bodies of requests within the limits of plain ones, and large answers for those who ask."""

import gzip
import zlib
from collections.abc import Iterator

from yesrank.errors import InputError

WORTH = 4096
"""Bytes from which an answer is packed: below, what it saves is less than what it costs."""
PACKED = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
_PIECE = 1 << 20  # bytes that come out at a time: a few milliseconds
_MEMBERS = 16  # parts of one body: each costs some work, however short it is
_LEVEL = 1  # twice as quick as the usual one, and nearly as small for numbers
_GZIP = 31  # zlib's word for a gzip header and trailer


class Unpacker:
    """A gzip body as it arrives, unpacked bit by bit, so that neither memory nor time is taken before it is counted."""

    def __init__(self) -> None:
        self._members, self._inside = 1, zlib.decompressobj(_GZIP)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What these bytes hold, in pieces of a bounded size. Raises InputError for what is no gzip."""
        more = False  # what went in may come out later, where a piece was full
        while data or more:
            if self._inside.eof:
                self._begin_member()
            try:
                piece = self._inside.decompress(data, _PIECE)
            except zlib.error:
                raise InputError("body", "is not gzip, as its Content-Encoding says") from None
            data = self._inside.unconsumed_tail or self._inside.unused_data
            more = len(piece) == _PIECE and not self._inside.eof
            if piece:
                yield piece

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > _MEMBERS:
            raise InputError("body", f"has more than {_MEMBERS} gzip members", "pack it in one")
        self._inside = zlib.decompressobj(_GZIP)

    def end(self) -> None:
        """Raises InputError where the last bytes are missing."""
        if not self._inside.eof:
            raise InputError("body", "is cut short: its gzip does not end")


def pack(body: bytes) -> bytes:
    """The body as gzip."""
    return gzip.compress(body, _LEVEL, mtime=0)


def wants_gzip(accept: str) -> bool:
    """Whether an Accept-Encoding allows gzip: by name, else by *."""
    weights = dict(map(_weight, accept.split(",")))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weight(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return name, float(weight)
    except ValueError:
        return name, 0.0
