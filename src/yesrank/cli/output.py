"""Data to stdout, notes and progress to stderr; colour only where a person reads it."""

import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL = 100
BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_quiet = False


def prepare_streams() -> None:
    """Makes the streams such that using them is no error: they may be closed, or unable to hold a letter."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:  # who keeps its buffer open
        sys.stderr = Notes(sys.stderr.buffer, sys.stderr.encoding, "replace", line_buffering=True)


class Notes(io.TextIOWrapper):
    """A stream for what is said beside the data: where it cannot be written (a full disk), the work goes on without.

    What could not be written is tried again with what comes next, as far as the buffer below holds it.
    """

    def write(self, text: str, /) -> int:
        """As any stream's, without errors of the device."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Likewise."""
        with suppress(OSError):
            super().flush()


def be_quiet(quiet: bool) -> None:
    """Whether notes and progress are left out."""
    global _quiet  # noqa: PLW0603  one command line, one way to speak
    _quiet = quiet


def is_quiet() -> bool:
    """Whether notes and progress are left out."""
    return _quiet


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
    """One line for the reader, on stderr, unless nothing is to be said."""
    if not _quiet:
        warn(message, style)


def warn(message: str, style: str = "") -> None:
    """One line that is always said, on stderr: errors, and what may be wrong."""
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


def line(text: str) -> None:
    """One line on stdout, whatever its length."""
    sys.stdout.write(text + "\n")


def show_json(data: object) -> None:
    """One JSON document on stdout. Letters that it cannot hold, and lone surrogates, are escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    if not can_show(text):
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
    if not can_show(_EIGHTHS):
        return ("#" * (full + (rest > 3))).ljust(width)
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


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar with the time left on stderr, where that is a terminal; it is told how many more are done."""
    console = stderr_console()
    if _quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.advance(task, done)


@contextmanager
def busy(label: str) -> Iterator[None]:
    """A sign on stderr that something goes on whose length is not known, where that is a terminal."""
    console = stderr_console()
    if _quiet or not console.is_terminal:
        yield
        return
    with console.status(label):
        yield


def is_read_by_a_person() -> bool:
    """Whether stdout is a terminal, or has a width that somebody has asked for (COLUMNS)."""
    console = stdout_console()
    return console.is_terminal or "COLUMNS" in console._environ


def can_show(text: str) -> bool:
    """Whether stdout can hold these letters."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
