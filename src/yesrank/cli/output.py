"""Data to stdout, notes and progress to stderr; colour only where a person reads it."""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL = 100
BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def stdout_console() -> Console:
    """The console for data. Made anew each time, so that it follows a redirected sys.stdout."""
    return _console(sys.stdout)


def stderr_console() -> Console:
    """The console for notes and progress."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    console = Console(file=stream, highlight=False, soft_wrap=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in console._environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def note(message: str, style: str = "") -> None:
    """One line for the reader, on stderr."""
    stderr_console().print(Text(printable(message), style=style), soft_wrap=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """What the library warns of, told once as notes: who reads them knows nothing of its files and lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for text in dict.fromkeys(str(each.message) for each in caught):
        note(f"note: {text}")


def show(renderable: RenderableType) -> None:
    """A table or a line of text, on stdout."""
    stdout_console().print(renderable)


def show_json(data: object) -> None:
    """One JSON document on stdout. Non-ASCII text stays as it is; lone surrogates are escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    if _without_surrogates(text) != text:
        text = json.dumps(data, indent=2)
    sys.stdout.write(text + "\n")


def printable(text: str) -> str:
    """The text on one line, with control characters and lone surrogates replaced: safe for a terminal."""
    one_line = " ".join(text.split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in one_line)


def bar(share: float, width: int = BAR) -> str:
    """A bar of `width` cells filled to `share` in [0, 1], in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def size(count: float) -> str:
    """Bytes for a person: 512 B, 1.5 MB (decimal units, as disks are sold and free space is shown)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def facts(rows: dict[str, str], title: str | None = None) -> Table:
    """A two-column table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
