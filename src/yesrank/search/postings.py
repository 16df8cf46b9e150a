"""The postings of an index: which passages hold which term how often, written in segments, merged now and then."""

import heapq
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

IdRow = npt.NDArray[np.uint32]
CountRow = npt.NDArray[np.uint8]
_MOST_COUNT = 255
_SMALL, _LEVELS = 2000, 8
FAN = 8
"""So many segments of about one size become one: a query looks into each of them for each of its terms."""


@dataclass(slots=True)
class Segment:
    """What becomes a segment: passages in the order of their ids."""

    ids: "array[int]" = field(default_factory=lambda: array("I"))
    lengths: "array[int]" = field(default_factory=lambda: array("I"))
    terms: "dict[str, tuple[array[int], array[int]]]" = field(default_factory=dict)

    def add(self, passage: int, counts: dict[str, int], length: int) -> None:
        """A passage with a higher id than all before."""
        self.ids.append(passage)
        self.lengths.append(length)
        terms = self.terms
        for term, count in counts.items():
            rows = terms.get(term)
            if rows is None:
                rows = terms[term] = (array("I"), array("B"))
            rows[0].append(passage)
            rows[1].append(min(count, _MOST_COUNT))

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, term: str) -> tuple[IdRow, CountRow] | None:
        """The postings of a term: uint32 and uint8, as long as there are passages with it."""
        rows = self.terms.get(term)
        return None if rows is None else (np.array(rows[0], np.uint32), np.array(rows[1], np.uint8))


def write(connection: sqlite3.Connection, segment: Segment) -> None:
    """Adds a segment, within the caller's transaction."""
    if not len(segment):
        return
    ids, lengths = segment.ids.tobytes(), segment.lengths.tobytes()
    number = _add_segment(connection, segment.ids[0], segment.ids[-1], len(segment), ids, lengths)
    rows = ((term, *_raw(*segment.terms[term])) for term in sorted(segment.terms))
    _add_postings(connection, number, rows)


def checked(*parts: bytes | str | int | None) -> int:
    """The sum that stands beside what it is the sum of."""
    found = 0
    for part in parts:
        found = zlib.crc32(part if isinstance(part, bytes) else f"{part}\0".encode(), found)
    return found


def due(sizes: Sequence[int]) -> int:
    """How many of the last segments are to become one; 0 for none. sizes: of all, in their order.

    Those of FAN or more that are about as small: a passage is written anew a few times only, however many there are.
    """
    for level in range(_LEVELS):
        most = _SMALL * FAN**level
        tail = next((at for at, size in enumerate(reversed(sizes)) if size > most), len(sizes))
        if tail >= FAN:
            return tail
    return 0


def merge(connection: sqlite3.Connection, segments: Sequence[int]) -> None:
    """Makes one of segments that follow each other, without what was removed; within the caller's transaction."""
    gone = np.array([row[0] for row in connection.execute("SELECT id FROM removed ORDER BY id")], np.uint32)
    marks = ",".join("?" * len(segments))
    rows = connection.execute(
        f"SELECT ids, lengths, id, sum FROM segments WHERE id IN ({marks}) ORDER BY id", segments
    ).fetchall()
    for ids, lengths, number, total in rows:
        if checked(number, ids, lengths) != total:
            raise sqlite3.DatabaseError("a segment is not what was written")
    ids = np.concatenate([np.frombuffer(row[0], np.uint32) for row in rows])
    lengths = np.concatenate([np.frombuffer(row[1], np.uint32) for row in rows])
    kept = ~np.isin(ids, gone)
    if kept.any():
        number = _add_segment(
            connection,
            int(ids[kept][0]),
            int(ids[kept][-1]),
            int(kept.sum()),
            ids[kept].tobytes(),
            lengths[kept].tobytes(),
        )
        _add_postings(connection, number, _merged(connection, segments, gone))
    connection.execute(f"DELETE FROM postings WHERE segment IN ({marks})", segments)
    connection.execute(f"DELETE FROM segments WHERE id IN ({marks})", segments)
    connection.executemany(
        "DELETE FROM removed WHERE id = ?", ((int(each),) for each in np.intersect1d(ids, gone))
    )


def _merged(
    connection: sqlite3.Connection, segments: Sequence[int], gone: IdRow
) -> Iterator[tuple[str, bytes, bytes]]:
    """(term, ids, counts) in the order of the terms, read side by side: no more than a row of each is in memory."""
    rows = heapq.merge(
        *(
            connection.execute(
                "SELECT term, segment, ids, counts, sum FROM postings WHERE segment = ? ORDER BY term",
                (each,),
            )
            for each in segments
        ),
        key=itemgetter(0, 1),
    )
    for term, same in groupby(rows, itemgetter(0)):
        parts = [*same]
        for _, segment, ids, counts, total in parts:
            if checked(segment, term, ids, counts) != total:
                raise sqlite3.DatabaseError("postings are not what was written")
        ids, counts = b"".join(each[2] for each in parts), b"".join(each[3] for each in parts)
        if len(gone):
            row, count = np.frombuffer(ids, np.uint32), np.frombuffer(counts, np.uint8)
            kept = ~np.isin(row, gone)
            ids, counts = row[kept].tobytes(), count[kept].tobytes()
        if ids:
            yield term, ids, counts


def _add_segment(
    connection: sqlite3.Connection, first: int, last: int, count: int, ids: bytes, lengths: bytes
) -> int:
    found = connection.execute(
        "INSERT INTO segments (first, last, count, ids, lengths, sum) VALUES (?, ?, ?, ?, ?, 0)",
        (first, last, count, ids, lengths),
    )
    number = int(found.lastrowid or 0)
    connection.execute("UPDATE segments SET sum = ? WHERE id = ?", (checked(number, ids, lengths), number))
    return number


def _add_postings(
    connection: sqlite3.Connection, segment: int, rows: Iterable[tuple[str, bytes, bytes]]
) -> None:
    connection.executemany(
        "INSERT INTO postings VALUES (?, ?, ?, ?, ?)",
        ((segment, term, ids, counts, checked(segment, term, ids, counts)) for term, ids, counts in rows),
    )


def _raw(ids: "array[int]", counts: "array[int]") -> tuple[bytes, bytes]:
    return ids.tobytes(), counts.tobytes()
