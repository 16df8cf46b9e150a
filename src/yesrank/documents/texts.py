"""Plain text and Markdown -> passages: lines, paragraphs, or the whole."""

import re
from collections.abc import Iterator
from itertools import chain

from yesrank.documents.bounds import within
from yesrank.documents.passages import Options, Part, Passage

_EMPTY_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_LINE = re.compile(r"\S[^\n]*")  # from its first letter on
_HOW = {"lines": "one a line", "paragraphs": "one a paragraph", "whole": "the whole as one"}


def read_text(text: str, name: str, options: Options, *, markdown: bool = False) -> Part:
    """A document a line, for Markdown the whole; or as the options say. What holds nothing is no document."""
    split = options.split or ("whole" if markdown else "lines")
    passages = tuple(
        Passage(part, None, place) for place, part in within(_parts(text, name, split), name, options)
    )
    return Part(passages, f"{'Markdown' if markdown else 'text'}, {_HOW[split]}")


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers. Only LF ends a line: U+2028 and its like are text."""
    number, last = 1, 0
    for found in _LINE.finditer(text):  # skips a million empty ones as quickly as one
        begin = text.rfind("\n", last, found.start()) + 1
        number += text.count("\n", last, begin)
        last = found.end()
        yield number, text[begin:last].removesuffix("\r")


def _ends(text: str) -> str:
    """Text of old Macs, whose lines end at CR, has lines as well."""
    return text if "\n" in text else text.replace("\r", "\n")


def _parts(text: str, name: str, split: str) -> Iterator[tuple[str, str]]:
    if split == "lines":
        yield from ((f"{name}:{number}", line) for number, line in lines(_ends(text)))
    elif split == "whole":
        if text.strip():
            yield name, text.strip("\r\n")
    else:
        yield from _paragraphs(_ends(text).replace("\r\n", "\n"), name)


def _paragraphs(text: str, name: str) -> Iterator[tuple[str, str]]:
    line, begin = 1, 0
    ends = ((found.start(), found.end()) for found in _EMPTY_LINES.finditer(text))
    for end, after in chain(ends, [(len(text),) * 2]):
        part = text[begin:end]
        if part.strip():
            skipped = len(part) - len(part.lstrip("\n"))
            yield f"{name}:{line + skipped}", part.strip("\n")
        line += text.count("\n", begin, after)
        begin = after
