"""Which tokens run in which call, and how many beside them. Pure functions over lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens start..stop (positions in its prompt) of one sequence that run in one call."""

    sequence: int
    start: int
    stop: int


LEAST_ROWS = 8  # matrices of fewer run on other kernels, whose sums are rounded otherwise
_STEPS, _LARGEST_STEP = 16, 32


def filled(tokens: int) -> int:
    """To how many tokens a call is filled up: a sixteenth more at the most, 2 % on the average; eight at the least.

    A device compiles kernels for each number of tokens, which takes as long as some of them and a megabyte or two.
    So 97 numbers occur up to 768, not all of them. There are steps of 16 from a power of two to the next, none larger
    than 32: that is what a block of the KV cache holds.
    """
    step = min(_LARGEST_STEP, max(1, (1 << tokens.bit_length() >> 1) // _STEPS))
    return max(LEAST_ROWS, -(-tokens // step) * step)


def filled_rows(rows: int) -> int:
    """The same for rows of the last layer alone, where one costs little: powers of two."""
    return max(LEAST_ROWS, 1 << max(0, rows - 1).bit_length())


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
