"""What a caller calls a model -> the entry to run."""

import re
from collections.abc import Callable
from pathlib import Path

from yesrank.errors import ModelError, ModelNotFound
from yesrank.store.entry import BUILTIN, Entry, builtin_entry
from yesrank.store.places import is_file, is_model
from yesrank.store.store import Store, near

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
"""owner/name, as on the Hugging Face hub."""
_ADDRESS = re.compile(
    r"(?:https?:/{1,2})?(?:www\.)?(?:huggingface\.co|hf\.co)/(?!datasets/|spaces/)([^/\s?#]+/[^/\s?#]+)(?:/tree/([^/\s?#]+))?[/?#]?\S*"
)


def from_address(text: str) -> tuple[str, str | None]:
    """The id and, where it says one, the revision of a model for the address of its page; other text as it is."""
    found = _ADDRESS.fullmatch(text.strip())
    return (found[1], found[2]) if found and HUB_ID.fullmatch(found[1]) else (text, None)


def resolve(
    model: str | Path | None, store: Store | None = None, note: Callable[[str], None] | None = None
) -> Entry:
    """The entry for a folder, a stored name or alias, "builtin", or None for the default model.

    A model folder goes before a name, which is told to `note`; a folder that holds no model does not, where the name is
    stored. This is for the owner of the machine: what a client of a server sends must go to Store.get, which opens no
    paths. Raises ModelNotFound with the names that come near, ModelError for a file of names that is not valid.
    """
    names = Store() if store is None else store
    if model is None:
        return names.default()
    if model == BUILTIN:
        return builtin_entry()
    path = Path(model).expanduser()
    name = model.as_posix() if isinstance(model, Path) else model
    if model == "" or not is_model(path):
        found = names.find(name)
        if found is None:
            raise not_found(name, names)
        return found
    found = None if any(mark in name for mark in "/\\") else _stored(name, names)
    if found is None or _same(found.path, path):
        return found or unnamed(path)
    if not (path / "config.json").exists():
        return found
    if note is not None:
        note(f"{name} is a folder here and the name of {found.path}, too: the folder is used, as ./{name} is")
    return unnamed(path)


def _stored(name: str, names: Store) -> Entry | None:
    """The entry of that name, where there is one; a folder is used even where the file of names is not valid."""
    try:
        return names.find(name)
    except ModelError:
        return None


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def unnamed(path: Path) -> Entry:
    """An entry for a folder that has no name: called as the folder is, as far as a name may be so."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name).lstrip("._-") or "model"
    return Entry(name[:200], path)


def not_found(model: str, store: Store) -> ModelNotFound:
    """The error for a name that is neither a folder nor stored."""
    if is_file(Path(model).expanduser()):
        return ModelNotFound(
            f"{model} is a file, and a model is a folder",
            f"give the folder that holds it: {Path(model).parent}",
        )
    hint = near(model, store.list())
    there, _ = from_address(model)
    if HUB_ID.fullmatch(there):
        hint = f"to download it from the Hugging Face hub: yesrank pull {there}; {hint}"
    elif _is_path(model):
        hint = "to make one: yesrank convert CHECKPOINT FOLDER"
        return ModelNotFound(f"there is no model folder {model}", f"check the path; {hint}")
    elif ":/" in model:
        hint = f"models are folders, or ids of the Hugging Face hub: yesrank pull OWNER/NAME; {hint}"
    return ModelNotFound(f"there is no folder {model}, and no stored model has that name", hint)


def _is_path(model: str) -> bool:
    """Whether it can only be meant as a path: no name begins so."""
    return model.startswith((".", "~", "/")) or Path(model).is_absolute()
