"""Which tokens run in which call. Pure functions over lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens start..stop (positions in its prompt) of one sequence that run in one call."""

    sequence: int
    start: int
    stop: int


def calls(ranges: Sequence[tuple[int, int]], tokens: int, sequences: int) -> Iterator[list[Span]]:
    """Packs (start, stop) of each sequence into calls of at most so many tokens and sequences.

    Sequences are taken longest first, so that those in one call are of like length: a call's scratch memory grows with
    its longest context times its number of sequences. A sequence that does not fit is continued in the next call,
    which is exact in a causal model; calls are thus full, and a long document needs no more memory than a short one.
    No sequence is cut next to its first or last token: a single token runs on another kernel of attention, whose
    rounding is its own, and a result would depend on where the cut fell.
    """
    call: list[Span] = []
    room = tokens
    for index in sorted(range(len(ranges)), key=lambda i: ranges[i][0] - ranges[i][1]):
        start, end = ranges[index]
        while start < end:
            stop = _cut(start, end, room)
            if stop > start or not call:
                stop = max(stop, start + 1)
                call.append(Span(index, start, stop))
                room -= stop - start
                start = stop
            if start < end or not room or len(call) == sequences:
                yield call
                call, room = [], tokens
    if call:
        yield call


def _cut(start: int, end: int, room: int) -> int:
    """Where a sequence that has so much room in this call ends in it; `start` where it had better wait."""
    if end - start <= room:
        return end
    stop = start + room - (end - start - room == 1)
    return stop if stop - start > 1 else start


def padded_batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices in batches of like length, each at most so many tokens after padding (or a single sequence)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
