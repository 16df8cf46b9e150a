"""`yesrank list`: the models that have a name."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from yesrank.cli import output
from yesrank.cli.options import JsonOption
from yesrank.cli.pull import plain

if TYPE_CHECKING:
    from yesrank.store import Entry, State


def list(as_json: JsonOption = False) -> None:
    """Show the models that have a name, what they are, where they lie, and what is wrong with them."""
    from yesrank.store import Store, builtin_entry, state_of

    store = Store()
    found = [(entry, state_of(entry)) for entry in (*store.list(), builtin_entry())]
    if as_json:
        models = [_as_data(entry, state) for entry, state in found]
        output.show_json({"file": str(store.path), "models": models})
        return
    output.show(_as_table(found))
    for entry, state in found:
        if state.problem:
            output.show(f"problem: {entry.name}: {state.problem}")
    output.note(f"names are kept in {store.path}", style="dim")


def _as_data(entry: "Entry", state: "State") -> dict[str, Any]:
    from yesrank.store import BUILTIN

    data = {"name": entry.name, "builtin": entry.name == BUILTIN, **plain(entry), **asdict(state)}
    return {**data, "added": None} if data["builtin"] else data


def _as_table(found: "Sequence[tuple[Entry, State]]") -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("name", "what", "weights", "runs on"):
        table.add_column(column, overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("folder", overflow="fold")
    for entry, state in found:
        table.add_row(
            Text("\n".join(entry.names)),
            Text(_origin(entry)),
            state.weights or "",
            Text(f"{entry.device} {entry.variant or entry.precision}"),
            output.size(state.bytes) if state.bytes else "-",
            Text(str(entry.path), style="red" if state.problem else ""),
        )
    return table


def _origin(entry: "Entry") -> str:
    """What it was made from: id and commit, folder, or the package."""
    from yesrank.store import BUILTIN

    if entry.name == BUILTIN:
        return "the small model of the package"
    if entry.source is None or entry.source == str(entry.path):
        return "folder"
    return f"{entry.source}@{entry.revision[:8]}" if entry.revision else entry.source
