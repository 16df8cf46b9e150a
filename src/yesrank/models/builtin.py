"""Where the built-in model is: in the package once, as a checkpoint; its int8 files are made of that.

A checkout has the int8 files too. The wheel leaves them out, which takes 15 MB off it: there they are put together
at first use, in a quarter of a second and byte for byte, and kept in the user's cache. Where that cannot be written
they go into a temporary folder, for as long as the process runs.
"""

import atexit
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from yesrank.checkpoint import Checkpoint
from yesrank.errors import ModelError, NoSpace
from yesrank.manifest import FILE, FileEntry, Manifest, read_manifest
from yesrank.models.hashes import content_hash

RECIPES = "recipes"
"""Folder beside the shipped files: NAME.recipe for each file that can be put together."""

_lock = threading.Lock()
_made: dict[Path, Path] = {}


def data_folder() -> Path:
    """The package's data."""
    return Path(str(files("yesrank"))) / "data"


def checkpoint_folder() -> Path:
    """The model before any conversion: a plain Hugging Face folder."""
    return data_folder() / "builtin-checkpoint"


def model_folder() -> Path:
    """The folder with the model's int8 files, put together first where the package lacks them.

    Raises ModelError where the package is damaged, NoSpace where there is no place for them.
    """
    shipped = data_folder() / "builtin"
    manifest = read_manifest(shipped)
    if manifest is None or not any(_missing(shipped, manifest)):
        return shipped
    with _lock:
        known = _made.get(shipped)
        if known is None or any(_missing(known, manifest)):
            known = _made[shipped] = _put_together(shipped, manifest)
        return known


def _missing(folder: Path, manifest: Manifest) -> Iterable[str]:
    """Names of the manifest's files that are not there in their size."""
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry.bytes:
            yield name


def _is_sound(folder: Path, manifest: Manifest) -> bool:
    """Whether its files are those of the manifest: by their hashes, which are remembered."""
    try:
        return not any(_missing(folder, manifest)) and all(
            content_hash(folder / name) == entry.sha256 for name, entry in manifest.files.items()
        )
    except (ModelError, OSError):
        return False


def _put_together(shipped: Path, manifest: Manifest) -> Path:
    from platformdirs import user_cache_path

    version = hashlib.sha256((shipped / FILE).read_bytes()).hexdigest()[:16]
    place = user_cache_path("yesrank", appauthor=False) / f"builtin-{version}"
    if place.is_dir() and _is_sound(place, manifest):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    except OSError:
        return _for_this_process(shipped, manifest)
    try:
        _fill(stage, shipped, manifest)
        return _shown(stage, place, manifest)
    except OSError:
        return _for_this_process(shipped, manifest)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _shown(stage: Path, place: Path, manifest: Manifest) -> Path:
    """Gives the folder its name, whole. Another process may have done so, or have left a damaged one there."""
    try:
        stage.rename(place)
    except OSError:
        if not _is_sound(place, manifest):
            shutil.rmtree(place)
            stage.rename(place)
    return place


def _for_this_process(shipped: Path, manifest: Manifest) -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix="yesrank-builtin-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _fill(folder, shipped, manifest)
    except OSError as error:
        raise NoSpace(
            f"there is no place for the files of the built-in model: {error}",
            "17 MB are needed in the user's cache (XDG_CACHE_HOME) or in a temporary folder (TMPDIR)",
        ) from error
    return folder


def _fill(folder: Path, shipped: Path, manifest: Manifest) -> None:
    """Writes all files of the model. The manifest comes last."""
    checkpoint = Checkpoint(checkpoint_folder())
    for name, entry in manifest.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        _write(folder / name, entry, _content(name, shipped, checkpoint))
    shutil.copyfile(shipped / FILE, folder / FILE)


def _content(name: str, shipped: Path, checkpoint: Checkpoint) -> Iterable[bytes]:
    """A file of the model: as it was shipped, the checkpoint's own, or by its recipe."""
    for place in (shipped, checkpoint.folder):
        if (place / name).is_file():
            return ((place / name).read_bytes(),)
    recipe = shipped / RECIPES / f"{Path(name).name}.recipe"
    if not recipe.is_file():
        raise ModelError(f"{name} of the built-in model is missing", "install yesrank again")
    from yesrank.convert.recipe import follow

    return follow(recipe.read_bytes(), checkpoint)


def _write(path: Path, entry: FileEntry, parts: Iterable[bytes]) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in parts:
            digest.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != entry.sha256:
        raise ModelError(
            f"{path.name} of the built-in model is damaged in the package", "install yesrank again"
        )
