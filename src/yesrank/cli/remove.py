"""`yesrank remove`: forget a name, and where wanted the folder that was made for it."""

from typing import Annotated

import typer

from yesrank.cli import output
from yesrank.cli.options import JsonOption


def remove(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As yesrank list shows it.", show_default=False)
    ],
    *,
    delete_files: Annotated[
        bool,
        typer.Option("--delete-files", help="Also delete the folder, where yesrank add or pull has made it."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a name. The model's files stay, unless --delete-files is given.

    Only a folder that yesrank has made for a name is ever deleted, never one of yours or of the Hugging Face cache.
    """
    from yesrank.store import Store, forget

    entry, freed, note = forget(Store(), name, delete_files=delete_files)
    if as_json:
        output.show_json({"name": entry.name, "path": str(entry.path), "freed": freed, "note": note})
        return
    output.show(f"removed: {entry.name}" + (f", {output.size(freed)} freed" if freed else ""))
    if note:
        output.note(f"note: {note}")
