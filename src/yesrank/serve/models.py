"""Which models a server offers."""

from pathlib import Path

from yesrank.errors import InputError
from yesrank.serve.settings import Settings
from yesrank.store import Entry, Store, resolve


def entries(settings: Settings, store: Store | None = None) -> tuple[Entry, ...]:
    """The models to serve, the default one first: those named, else all that are stored and, where it
    is the default or the only one, the built-in model.

    Raises ModelNotFound for a name that is neither stored nor a folder, InputError for two of the same name.
    """
    store = store or Store()
    if settings.names:
        found = tuple(resolve(name, store) for name in settings.names)
    else:
        default = store.default()
        found = (default, *(entry for entry in store.list() if entry.name != default.name))
    _check_distinct(found)
    return tuple(_overridden(entry, settings) for entry in found)


def _overridden(entry: Entry, settings: Settings) -> Entry:
    return entry.overridden(
        device=settings.device,
        precision=settings.precision,
        engine=settings.engine,
        variant=settings.variant,
    )


def _check_distinct(found: tuple[Entry, ...]) -> None:
    seen: dict[str, Path] = {}
    for entry in found:
        for name in entry.names:
            if name in seen:
                raise InputError("NAME", f"{name!r} is given twice: {seen[name]} and {entry.path}")
            seen[name] = entry.path
