"""Which models a server offers."""

from dataclasses import replace
from pathlib import Path

from yesrank.engine.onnx import check_variant
from yesrank.errors import InputError
from yesrank.kinds import EMBEDDING
from yesrank.models.embedding_folder import EmbeddingFolder, open_folder
from yesrank.models.engines import engine_for
from yesrank.serve.settings import Settings
from yesrank.store import Entry, Store, resolve


def entries(settings: Settings, store: Store | None = None) -> tuple[Entry, ...]:
    """The models to serve, the default one first: those named, else all that are stored and, where it
    is the default or the only one, the built-in model.

    Raises ModelNotFound for a name that is neither stored nor a folder, InputError for two of the same name, and for a
    model that is named and whose folder cannot be used at all, what loading it would raise. One of all that are
    stored keeps no others from being served: the log and /v1/models say why it cannot.
    """
    store = store or Store()
    if settings.names:
        named = (resolve(name, store) for name in settings.names)
        found = tuple(_usable(entry, settings) for entry in named)
    else:
        default = store.default()
        found = (default, *(entry for entry in store.list() if entry.name != default.name))
    found = _aliased(found, settings.aliases)
    _check_distinct(found)
    return tuple(_overridden(entry, settings) for entry in found)


def _aliased(found: tuple[Entry, ...], aliases: tuple[str, ...]) -> tuple[Entry, ...]:
    """With the names that the settings give: NAME=MODEL, or NAME for the default model."""
    more: dict[str, tuple[str, ...]] = {}
    for alias in aliases:
        name, _, model = alias.partition("=")
        entry = next((each for each in found if model in each.names), None) if model else found[0]
        if entry is None:
            served = ", ".join(each.name for each in found)
            raise InputError("alias", f"{model!r} is not served", f"there are: {served}")
        if name not in entry.names:
            more[entry.name] = (*more.get(entry.name, ()), name)
    return tuple(replace(each, aliases=(*each.aliases, *more.get(each.name, ()))) for each in found)


def _overridden(entry: Entry, settings: Settings) -> Entry:
    return entry.overridden(
        device=settings.device,
        precision=settings.precision,
        engine=settings.engine,
        variant=settings.variant,
    )


def _usable(given: Entry, settings: Settings) -> Entry:
    """The entry, with its kind. Looks at the folder, and reads no weights.

    A device that is missing may come: it is no reason to end.
    """
    entry = _overridden(given, settings)
    folder = open_folder(entry.path, kind=entry.kind)
    engine = entry.engine or engine_for(folder, entry.variant)
    if engine == "onnx":
        check_variant(folder.path, entry.variant)
    else:
        from yesrank.engine.openvino.files import check_ir

        check_ir(folder.path)
    return replace(given, kind=EMBEDDING if isinstance(folder, EmbeddingFolder) else None)


def _check_distinct(found: tuple[Entry, ...]) -> None:
    seen: dict[str, Path] = {}
    for entry in found:
        for name in entry.names:
            if name in seen:
                raise InputError("NAME", f"{name!r} is given twice: {seen[name]} and {entry.path}")
            seen[name] = entry.path
