"""The model that a verb is told to use: opened, and named."""

import json
import sys
from typing import TYPE_CHECKING, Any

from yesrank.cli import output
from yesrank.cli.options import EngineName, Precision
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.models.reranker import Reranker
    from yesrank.store import Entry

_BUILT_IN = "builtin, a small one to try things out; a real one: yesrank pull Qwen/Qwen3-Reranker-0.6B"


def find(model: str | None) -> "Entry":
    """The entry for a name or folder, None for the default model; says where a name could mean two things."""
    from yesrank.store import resolve

    return resolve(model, note=lambda message: output.warn(f"note: {message}", style="yellow"))


def embeds(entry: "Entry") -> bool:
    """Whether an entry's model embeds: by what its folder says, else by what was said when it was added."""
    from yesrank.kinds import EMBEDDING
    from yesrank.models.folder import kind_in

    sign = kind_in(entry.path) if entry.path.is_dir() else None
    return (entry.kind if sign is None else sign.kind) == EMBEDDING


def open_reranker(entry: "Entry") -> "Reranker":
    """The entry's reranker, run as the entry says."""
    from yesrank.store.opening import open_entry

    return open_entry(entry)


def engine_options(given: list[str] | None) -> dict[str, Any] | None:
    """NAME=VALUE, where the value is JSON or else a string. Raises InputError."""
    found = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(
                "engine-option", f"{each!r} is not NAME=VALUE", "write --engine-option dtype=float16"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found or None


def overridden(
    entry: "Entry",
    *,
    device: str | None = None,
    precision: Precision | None = None,
    engine: EngineName | None = None,
    variant: str | None = None,
    options: list[str] | None = None,
    template: str | None = None,
    max_length: int | None = None,
) -> "Entry":
    """The entry with what the options say; what is None is as stored with the model's name."""
    return entry.overridden(
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        engine_options=engine_options(options),
        template=template,
        max_length=max_length,
    )


def name_model(entry: "Entry", precision: str | None = None) -> None:
    """One line on stderr, the last of an output: which model that was."""
    sys.stdout.flush()  # so that it is the last one, and is not said of an output that could not be written
    output.note(f"model: {described(entry, precision)}", style="dim")


def described(entry: "Entry", precision: str | None = None) -> str:
    """A model's name, its folder and its arithmetic; and that it is a toy, where it is."""
    from yesrank.store import BUILTIN

    if entry.name == BUILTIN:
        return _BUILT_IN
    return f"{entry.name} ({', '.join(part for part in (str(entry.path), precision) if part)})"
