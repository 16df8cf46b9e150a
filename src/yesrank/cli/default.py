"""`yesrank default`: the model that runs where none is named."""

from typing import Annotated

import typer

from yesrank.cli import output
from yesrank.cli.opening import described
from yesrank.cli.options import JsonOption


def default(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="As yesrank list shows it, or builtin.", show_default=False),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the model that runs where none is named, or choose it.

    Until one is chosen it is the first that was added, and the small model of the package where there is none.
    YESRANK_MODEL goes before it.
    """
    from yesrank.store import Store

    entry = Store().default() if name is None else Store().set_default(name)
    if as_json:
        output.show_json({"name": entry.name, "path": str(entry.path)})
    else:
        output.show(f"default: {described(entry)}")
