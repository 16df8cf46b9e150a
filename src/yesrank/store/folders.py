"""The folders behind the names: their state, and the end of those that were made here."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from yesrank.engine.onnx import variants_of
from yesrank.errors import YesrankError
from yesrank.manifest import FILE, check_files, read_manifest, without_absent_variants
from yesrank.models.folder import holds_checkpoint
from yesrank.store.entry import Entry
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


def delete_folder(store: Store, entry: Entry) -> tuple[int, str]:
    """Deletes the folder of an entry that was removed, where a conversion made it in the folder of models.

    Returns the bytes that this freed, and what there is to say: why nothing was deleted, or what else there is.
    """
    path = entry.path
    if not is_folder(path):
        return 0, f"there was no folder {path}"
    if path.is_symlink() or path.resolve().parent != models_folder().resolve() or not (path / FILE).is_file():
        kept = f" in the Hugging Face cache: {_cache_command(entry)}" if entry.revision else ""
        return 0, f"{path} was not made by yesrank add or pull, and stays{kept}"
    if any(each.path.resolve() == path.resolve() for each in store.list()):
        return 0, f"{path} belongs to another name as well, and stays"
    size = _size(path)
    try:
        shutil.rmtree(path)
    except OSError as error:
        return size - _size(path), f"{path} could not be deleted wholly: {error}"
    kept = f"the download of {entry.source} stays in the Hugging Face cache: {_cache_command(entry)}"
    return size, kept if entry.revision else ""


def _cache_command(entry: Entry) -> str:
    """What deletes a download."""
    return f"hf cache rm model/{entry.source}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
