"""What a source may hold, where its sender is a stranger: checked while it is read, not afterwards."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from yesrank.documents.passages import Options
from yesrank.errors import InputError

T = TypeVar("T")
MOST_CELLS = 100_000
"""Delimiters of one line: each may become a string of its own."""
MOST_LINES = 1_000_000
"""Of a table: empty ones are no documents, but are looked at."""
_VALUES, _VALUES_A_DOCUMENT = 1000, 20
# a string that never ends counts to the end of the text: so each character is looked at once
_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class TooMany(InputError):
    """A source holds more than it may."""


def within(items: Iterable[T], name: str, options: Options, more: int = 0) -> Iterator[T]:
    """The items, of which there may be as many as documents, and so many more. Raises TooMany."""
    for count, item in enumerate(items, start=1):
        if options.most is not None and count > options.most + more:
            raise TooMany("documents", f"{name} holds more than {options.most}", "send fewer at a time")
        yield item


def check_cells(lines: Iterable[str], delimiter: str, options: Options) -> Iterator[str]:
    """The lines of a table. Raises TooMany for one of very many cells, and for very many lines."""
    for number, line in enumerate(lines, start=1):
        if options.most is not None and number > MOST_LINES:
            raise TooMany("documents", f"there are more than {MOST_LINES} lines", "send fewer at a time")
        if options.most is not None and line.count(delimiter) > MOST_CELLS:
            raise TooMany("documents", f"line {number} has more than {MOST_CELLS} delimiters")
        yield line


def check_values(text: str, name: str, options: Options) -> None:
    """Raises TooMany for JSON of very many lists, objects and members: each costs a hundred times what it is long."""
    if options.most is None:
        return
    most = _VALUES + _VALUES_A_DOCUMENT * options.most
    if _signs(text) <= most:
        return
    quotes = text.count('"') - text.count('\\"')
    if quotes > 4 * most or _signs(_STRINGS.sub("", text)) > most:
        raise TooMany("documents", f"{name} has more than {most} lists, objects and members")


def _signs(text: str) -> int:
    return text.count("[") + text.count("{") + text.count(",")
