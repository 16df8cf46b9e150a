"""What a caller calls a model -> the entry to run."""

import re
from pathlib import Path

from yesrank.errors import ModelNotFound
from yesrank.store.entry import BUILTIN, Entry
from yesrank.store.places import is_folder
from yesrank.store.store import Store, near

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
"""owner/name, as on the Hugging Face hub."""


def resolve(model: str | Path | None, store: Store | None = None) -> Entry:
    """The entry for a folder, a stored name or alias, or None for the built-in model.

    An existing folder goes before a name. This is for the owner of the machine: what a client of a server sends must
    go to Store.get, which opens no paths. Raises ModelNotFound with the names that come near, ModelError for a
    file of names that is not valid.
    """
    if model is None or model == BUILTIN:
        return builtin_entry()
    path = Path(model).expanduser()
    if model != "" and is_folder(path):
        return unnamed(path)
    if isinstance(model, Path):
        model = model.as_posix()
    names = Store() if store is None else store
    found = names.find(model)
    if found is None:
        raise not_found(model, names)
    return found


def builtin_entry() -> Entry:
    """The small model that comes with the package."""
    from yesrank.models.folder import builtin_folder

    return Entry(BUILTIN, builtin_folder())


def unnamed(path: Path) -> Entry:
    """An entry for a folder that has no name: called as the folder is, as far as a name may be so."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name).lstrip("._-") or "model"
    return Entry(name[:200], path)


def not_found(model: str, store: Store) -> ModelNotFound:
    """The error for a name that is neither a folder nor stored."""
    hint = near(model, store.list())
    if HUB_ID.fullmatch(model):
        hint = f"to download it from the Hugging Face hub: yesrank pull {model}; {hint}"
    return ModelNotFound(f"there is no folder {model}, and no stored model has that name", hint)
