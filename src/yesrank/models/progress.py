"""A progress bar on stderr, for long jobs in a terminal or a notebook."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from yesrank.types import Progress


@contextmanager
def bar(label: str, total: int) -> Iterator[Progress]:
    """Yields a callable that is told how many more items are done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.advance(task, done)


class _Rate(ProgressColumn):
    """How many items a second."""

    def render(self, task: Task) -> Text:
        """Nothing, until it is known."""
        return Text("" if task.speed is None else f"{task.speed:.3g}/s")
