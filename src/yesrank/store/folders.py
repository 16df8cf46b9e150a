"""The folders behind the names: their state, and the end of those that were made here."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yesrank.claims import set_aside
from yesrank.engine.onnx import variants_of
from yesrank.errors import YesrankError
from yesrank.manifest import FILE, check_files, read_manifest, without_absent_variants
from yesrank.models.folder import holds_checkpoint
from yesrank.store.entry import Entry
from yesrank.store.pending import changing, mark, tidy, unmark
from yesrank.store.places import is_folder, models_folder
from yesrank.store.store import Store

_MODEL = "openvino_model.xml"


@dataclass(frozen=True, slots=True)
class State:
    """What a folder is today. bytes: of all its files; weights: where its manifest says so; problem: or None."""

    bytes: int
    weights: str | None
    problem: str | None


def state_of(entry: Entry) -> State:
    """Looks at names and sizes of files only, so that it is quick."""
    if not is_folder(entry.path):
        return State(0, None, f"there is no folder {entry.path}")
    size, weights = _size(entry.path), None
    try:
        manifest = read_manifest(entry.path)
        if manifest is not None:
            weights = manifest.weights
            check_files(entry.path, without_absent_variants(entry.path, manifest))
    except YesrankError as error:
        return State(size, weights, error.message)
    return State(size, weights, _missing(entry))


def _missing(entry: Entry) -> str | None:
    """What the entry's engine will look for in vain."""
    variants = [file.variant for file in variants_of(entry.path)]
    if entry.variant is not None and entry.variant not in variants:
        return f"{entry.path} has no ONNX variant {entry.variant}; it has {', '.join(variants) or 'none'}"
    if (entry.path / _MODEL).is_file() or (variants and entry.engine != "openvino"):
        return None
    return f"{entry.path / _MODEL} is missing"


def source_of(entry: Entry) -> Path | None:
    """The checkpoint that the entry was made from, where it is still on this machine."""
    if entry.source is None:
        return None
    path = Path(entry.source)
    if entry.revision is not None:
        from huggingface_hub import constants

        cache = Path(constants.HF_HUB_CACHE) / f"models--{entry.source.replace('/', '--')}"
        path = cache / "snapshots" / entry.revision
    # a repository may hold both: then the download of its ONNX files may lie beside that of its checkpoint
    return path if is_folder(path) and (path != entry.path or holds_checkpoint(path)) else None


def forget(store: Store, name: str, *, delete_files: bool = False) -> tuple[Entry, int, str]:
    """Removes a name and, where wanted, the folder that a conversion made for it in the folder of models.

    Returns the entry, the bytes that this freed, and what there is to say: why nothing was deleted, or what else there
    is. Killed at any moment, it leaves the name with its whole folder, the whole folder, or neither.
    Raises ModelNotFound, InputError.
    """
    entry = store.get(name)
    tidy(models_folder(), store)
    if not delete_files:
        if _was_made_here(entry.path):
            unmark(entry.path)  # from here on the folder is kept, whatever happens
        return store.remove(name), 0, f"its files stay in {entry.path}"
    if not is_folder(entry.path):
        return store.remove(name), 0, f"there was no folder {entry.path}"
    if not _was_made_here(entry.path):
        kept = f" in the Hugging Face cache: {_cache_command(entry)}" if entry.revision else ""
        return store.remove(name), 0, f"{entry.path} was not made by yesrank add or pull, and stays{kept}"
    return _forget_with_folder(store, entry)


def _forget_with_folder(store: Store, entry: Entry) -> tuple[Entry, int, str]:
    size, path = _size(entry.path), entry.path
    aside: list[Path] = []
    note = ""

    def take_away(_: Entry, left: Sequence[Entry]) -> None:
        nonlocal note
        if any(each.path.resolve() == path.resolve() for each in left):
            note = f"{path} belongs to another name as well, and stays"
            return
        try:
            aside.append(set_aside(path))
        except OSError as error:
            note = f"{path} could not be deleted: {error}"

    with changing(path, store):
        mark(path, store)
        store.remove(entry.name, take_away)
        if not aside:
            unmark(path)
    if not aside:
        return entry, 0, note
    shutil.rmtree(aside[0], ignore_errors=True)
    if rest := _size(aside[0]):
        return entry, size - rest, f"{aside[0]} could not be deleted wholly"
    kept = f"the download of {entry.source} stays in the Hugging Face cache: {_cache_command(entry)}"
    return entry, size, kept if entry.revision else ""


def _was_made_here(path: Path) -> bool:
    return (
        not path.is_symlink()
        and path.resolve().parent == models_folder().resolve()
        and (path / FILE).is_file()
    )


def _cache_command(entry: Entry) -> str:
    """What deletes a download."""
    return f"hf cache rm model/{entry.source}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
