"""Sections -> passages: of about one size, cut where a paragraph, a sentence or a word ends."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from yesrank.search.sections import Section
from yesrank.search.sentences import sentences
from yesrank.words import UNSPACED

USUAL, MOST = 900, 1400
"""Letters of a passage: what is aimed at, and what none exceeds. A Han character or its like counts as three."""
_DENSE = re.compile(f"[{UNSPACED}\uac00-\ud7a3]")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"[^\n]*\n?")
_A_DENSE_ONE = 3
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage of a file. lines: the first and last that it stands in; the rest as of Section."""

    text: str
    heading: tuple[str, ...] = ()
    lines: tuple[int, int] | None = None
    page: int | None = None
    id: str | None = None


def width(text: str) -> int:
    """Letters, those of dense scripts counted as three: about the same for the same content in any language."""
    return len(text) + (0 if text.isascii() else (_A_DENSE_ONE - 1) * len(_DENSE.findall(text)))


def passages(sections: Iterable[Section]) -> Iterator[Piece]:
    """All passages in their order. None goes over the end of a section."""
    for section in sections:
        line, done = section.line, 0
        for start, end in _spans(section):
            lines = None
            if line is not None:
                line += section.text.count("\n", done, start)
                lines = (line, line + section.text.count("\n", start, end))
            done = start
            yield Piece(section.text[start:end], section.heading, lines, section.page, section.id)


def _spans(section: Section) -> Iterator[Span]:
    text = section.text
    if width(text) <= USUAL:
        yield from _stripped(text, 0, len(text), verbatim=section.verbatim)
        return
    begin = end = held = 0
    for start, stop, new_paragraph in _units(section):
        size = width(text[end if held else start : stop])
        if held and (held + size > USUAL or (new_paragraph and held > USUAL * 2 // 3)):
            yield from _stripped(text, begin, end, verbatim=section.verbatim)
            held, size = 0, width(text[start:stop])
        begin = begin if held else start
        end, held = stop, held + size
    yield from _stripped(text, begin, end, verbatim=section.verbatim)


def _units(section: Section) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether a paragraph begins there): sentences, or lines of code, cut further where they are long."""
    text = section.text
    for start, end in _paragraphs(text):
        inner = _lines(text[start:end]) if section.verbatim else sentences(text[start:end])
        first = True
        for left, right in inner:
            for begin, stop in _short(text, start + left, start + right):
                yield begin, stop, first
                first = False


def _paragraphs(text: str) -> Iterator[Span]:
    begin = 0
    for gap in _PARAGRAPH.finditer(text):
        if gap.start() > begin:
            yield begin, gap.start()
        # the indentation of a line of code belongs to it
        begin = max(text.rfind("\n", 0, gap.end()) + 1, gap.start())
    if begin < len(text):
        yield begin, len(text)


def _lines(text: str) -> Iterator[Span]:
    for found in _LINE.finditer(text):
        if found.group().strip():
            yield found.start(), found.start() + len(found.group().rstrip())


def _short(text: str, start: int, end: int) -> Iterator[Span]:
    """The span in parts that are no wider than a passage may be, cut at a gap between words where there is one."""
    while end - start > MOST or width(text[start:end]) > MOST:
        reach = MOST if text[start : start + MOST].isascii() else MOST // _A_DENSE_ONE
        gap = max(text.rfind(mark, start + reach // 2, start + reach) for mark in " \t\n、，；,;")
        stop = gap + 1 if gap > 0 else start + reach
        yield start, stop
        start = stop
    if start < end:
        yield start, end


def _stripped(text: str, start: int, end: int, *, verbatim: bool) -> Iterator[Span]:
    part = text[start:end]
    if not part.strip():
        return
    before = len(part) - len(part.lstrip())
    if verbatim:
        before = part.rfind("\n", 0, before) + 1
    yield start + before, start + len(part.rstrip())
