"""Whether a model's files are those that were written, and one hash over all that decides its numbers."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from yesrank.engine.onnx.files import data_patterns, variant_file
from yesrank.errors import ModelError, YesrankError
from yesrank.manifest import FILE, HEAD_FILE, FileEntry, Manifest
from yesrank.models.hashes import content_hash, identity
from yesrank.models.held import held

_OPENVINO = ("openvino_model.xml", "openvino_model.bin")
_CHECKPOINT = ("model*.safetensors",)
_WEIGHTS = re.compile(r"onnx/.*|openvino_.*|model.*\.(onnx.*|safetensors)")
SMALL_FILES = ("*.json", "*.jinja", "*.txt", HEAD_FILE)
_BLOB = re.compile("[0-9a-f]{64}")
Opened = TypeVar("Opened")


def weights_files(folder: Path, engine: str, variant: str | None) -> tuple[str, ...]:
    """Names of the files that an engine reads besides the small ones. Raises as engine.onnx.variant_file."""
    if engine == "openvino":
        patterns: Sequence[str] = _OPENVINO
    elif engine == "onnx":
        graph = variant_file(folder, variant).path.relative_to(folder).as_posix()
        patterns = (graph, *data_patterns(graph))
    else:
        patterns = _CHECKPOINT
    return _names(folder, patterns)


def check_beside(folder: Path, manifest: Manifest) -> None:
    """Compares every file but the weights with the manifest. Raises ModelError for the first that differs."""
    check_contents(folder, manifest, [name for name in manifest.files if not _WEIGHTS.fullmatch(name)])


def check_contents(folder: Path, manifest: Manifest | None, names: Iterable[str]) -> None:
    """Compares files with the manifest, or with the name that a large file has in the cache of Hugging Face.

    A file that neither knows is not looked at: there is nothing to compare it with. Raises ModelError.
    """
    listed = {} if manifest is None else manifest.files
    for name in names:
        path = folder / name
        wanted = _expected(path, listed.get(name))
        if wanted is None or content_hash(path) == wanted:
            continue
        if content_hash(path, anew=True) != wanted:  # what is remembered may be what is damaged
            raise _damaged(path, listed=name in listed)


def opened_checked(
    folder: Path, manifest: Manifest | None, names: Sequence[str], open_it: Callable[[], Opened]
) -> Opened:
    """Runs `open_it`, and beside it compares the files, so that a first look costs little time. Both see the same.

    Raises ModelError for a file that differs, or changed meanwhile, and else what `open_it` raises.
    """
    paths = [folder / name for name in names]
    with held(paths), ThreadPoolExecutor(1, thread_name_prefix="yesrank-hash") as thread:
        before = [identity(path) for path in paths]
        compared = thread.submit(check_contents, folder, manifest, names)
        try:
            opened = open_it()
        except YesrankError:
            compared.result()  # a damaged file is the better reason
            raise
        try:
            compared.result()
            _check_unchanged(folder, names, before)
        except ModelError:
            close = getattr(opened, "close", None)
            if close is not None:
                close()
            raise
    return opened


def fingerprint(folder: Path, engine: str, variant: str | None) -> str:
    """SHA-256 over the content of everything that decides the numbers of a folder. Raises ModelError.

    Not the manifest: its template and length are settings of whoever runs the folder.
    """
    digest = hashlib.sha256()
    beside = [name for name in _names(folder, SMALL_FILES) if name != FILE]
    for name in sorted({*beside, *weights_files(folder, engine, variant)}):
        digest.update(f"{name} {content_hash(folder / name)}\n".encode())
    return digest.hexdigest()


def _names(folder: Path, patterns: Iterable[str]) -> tuple[str, ...]:
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return tuple(sorted(path.relative_to(folder).as_posix() for path in found))


def _expected(path: Path, listed: FileEntry | None) -> str | None:
    if listed is not None:
        return listed.sha256
    place = path.resolve()
    return place.name if place.parent.name == "blobs" and _BLOB.fullmatch(place.name) else None


def _damaged(path: Path, *, listed: bool) -> ModelError:
    if listed:
        return ModelError(
            f"{path} is damaged or was altered: its SHA-256 is not the one in {FILE}",
            f"convert the checkpoint or copy the folder again; where the change is meant, delete {FILE}",
        )
    return ModelError(
        f"{path} is damaged or was altered: its SHA-256 is not that of the download",
        f"delete {path.resolve()}, and pull the model again",
    )


def _check_unchanged(folder: Path, names: Sequence[str], before: Sequence[tuple[str, str]]) -> None:
    for name, was in zip(names, before, strict=True):
        if identity(folder / name) != was:
            raise ModelError(f"{folder / name} changed while it was loaded", "load it again")
