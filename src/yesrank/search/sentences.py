"""Where sentences begin and end, in any script."""

import re
from collections.abc import Iterator
from itertools import pairwise

_CLOSING = "\"'”’»)\\]」』）】〉》"
# after a stop of Latin and its like there must be a gap, and before it no single letter ("e.g.", "J. Smith");
# Chinese and Japanese stops end a sentence by themselves; an empty line ends one everywhere
_END = re.compile(
    rf"(?:(?<![\s.(]\w)(?<!^\w)[.!?…]+[{_CLOSING}]*(?=\s)"
    rf"|[!?][{_CLOSING}]*(?=\s)"
    rf"|[。！？｡।॥؟۔][{_CLOSING}]*"
    r"|\n(?=[^\S\n]*\n)"
    r"|\n(?=[^\S\n]*(?:[-*+•]|\d+[.)])\s))",
    re.MULTILINE,
)
_ABBREVIATION = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|cf|approx|Fig|No|Nr|bzw|usw|Hr|Fr|Sr|Jr|Inc|Ltd|etc)\.$"
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence that holds something, without the gaps around it."""
    ends = [
        0,
        *(found.end() for found in _END.finditer(text) if not _abbreviated(text, found.end())),
        len(text),
    ]
    for start, end in pairwise(ends):
        part = text[start:end]
        body = part.strip()
        if body:
            begin = start + len(part) - len(part.lstrip())
            yield begin, begin + len(body)


def _abbreviated(text: str, end: int) -> bool:
    return _ABBREVIATION.search(text, max(0, end - 8), end) is not None
