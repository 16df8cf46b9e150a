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

_NAME_WIDTH = 26


def list(as_json: JsonOption = False) -> None:
    """Show the models that have a name: size, day, weights, device, source, and what is wrong with them."""
    from yesrank.store import Store, builtin_entry, state_of

    store = Store()
    default = store.default().name
    found = [(entry, state_of(entry)) for entry in (*store.list(), builtin_entry())]
    if as_json:
        models = [_as_data(entry, state) for entry, state in found]
        output.show_json({"file": str(store.path), "default": default, "models": models})
        return
    output.show(_as_table(found, default))
    for entry, state in found:
        if state.problem:
            output.show(f"problem: {entry.name}: {state.problem}")
    output.note(
        f"* is the default; yesrank show NAME tells more; names are kept in {store.path}", style="dim"
    )


def _as_data(entry: "Entry", state: "State") -> dict[str, Any]:
    data = {"name": entry.name, "builtin": _is_builtin(entry), **plain(entry), **asdict(state)}
    return {**data, "added": None} if data["builtin"] else data


def _as_table(found: "Sequence[tuple[Entry, State]]", default: str) -> Table:
    """Within 80 columns. What a model was made from comes last, and is cut where there is no room."""
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("", width=1)
    table.add_column("name", overflow="fold", max_width=_NAME_WIDTH)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("added", no_wrap=True)
    for column in ("weights", "runs on"):
        table.add_column(column, overflow="fold")
    table.add_column("from", overflow="ellipsis", no_wrap=True, ratio=1)
    for entry, state in found:
        table.add_row(
            "*" if entry.name == default else "",
            Text("\n".join(entry.names), style="red" if state.problem else ""),
            output.size(state.bytes) if state.bytes else "-",
            "" if _is_builtin(entry) else entry.added.isoformat(),
            (entry.variant or state.weights or "") + (", embeds" if entry.kind else ""),
            Text(f"{entry.device} {'' if entry.variant else entry.precision}".rstrip()),
            Text(_origin(entry)),
        )
    return table


def _origin(entry: "Entry") -> str:
    """What it was made from: id and commit, folder, or the package."""
    if _is_builtin(entry):
        return "the package: small, to try things out"
    if entry.source is None or entry.source == str(entry.path):
        return str(entry.path)
    return f"{entry.source}@{entry.revision[:8]}" if entry.revision else entry.source


def _is_builtin(entry: "Entry") -> bool:
    from yesrank.store import BUILTIN

    return entry.name == BUILTIN
