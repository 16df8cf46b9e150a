"""Models of the Hugging Face hub: what one holds, and the download of what is needed into the usual cache."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yesrank.asking import asking_of
from yesrank.embedding import recipe_of
from yesrank.errors import ModelError, NoSpace, YesrankError
from yesrank.kinds import EMBEDDING, RERANKER, kind_of
from yesrank.manifest import FILE as MANIFEST
from yesrank.manifest import sha256
from yesrank.qwen3 import Qwen3Config, read_config
from yesrank.sources.schemes import scheme_of
from yesrank.store.blobs import Blob, fetch, partial_size
from yesrank.store.choice import CONFIG, Choice, choose, says_what_it_is
from yesrank.store.hub_errors import explaining, is_offline, not_cached

_TIMEOUT = 30.0  # seconds for one answer about a repository
_MARGIN = 64 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository. sha256: of its content, where it is a large file; git: its git object id."""

    name: str
    size: int
    sha256: str | None
    git: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit, with the files at its top level and in onnx/."""

    id: str
    commit: str
    files: tuple[RemoteFile, ...]

    def taken(self, choice: Choice) -> tuple[RemoteFile, ...]:
        """The files that are needed."""
        return tuple(file for file in self.files if choice.takes(file.name))


Advance = Callable[[int, int], None]
"""Called with the bytes that are here so far, and the bytes of all files."""


def look_up(hub_id: str, revision: str | None = None) -> Repository | None:
    """The repository as it is on the hub; None in offline mode (HF_HUB_OFFLINE). Raises ModelError and below."""
    from huggingface_hub import HfApi

    with explaining(hub_id, revision):
        try:
            info = HfApi().model_info(hub_id, revision=revision, files_metadata=True, timeout=_TIMEOUT)
        except ConnectionError as error:
            if is_offline(error):
                return None
            raise
    files = [
        RemoteFile(each.rfilename, each.size or 0, each.lfs.sha256 if each.lfs else None, each.blob_id)
        for each in info.siblings or ()
        if _is_known_place(each.rfilename)
    ]
    return Repository(hub_id, str(info.sha), tuple(files))


def download(
    repository: Repository,
    choice: Choice,
    revision: str | None = None,
    advance: Advance | None = None,
    template: str | None = None,
    kind: str | None = None,
) -> Path:
    """Brings what is needed of a repository into the Hugging Face cache, and returns its folder there.

    Large files are continued where an earlier run stopped, and enter the cache only with the right SHA-256. The
    small files come first, so that another architecture, or a model that is asked in a way that cannot be followed,
    is refused before gigabytes are fetched. template: as of asking_of. kind: what the caller knows it to be.
    Raises ModelError, UnsupportedModel, NoSpace.
    """
    files = repository.taken(choice)
    with explaining(repository.id, revision):
        small = [file.name for file in files if not file.sha256 and says_what_it_is(file.name)]
        stated = [file.name for file in files if file.name == CONFIG]
        folder = _snapshot(repository, [*stated, *small], revision)
        Qwen3Config.from_folder(folder)
        if choice.kind == "checkpoint":
            scheme_of(read_config(folder))
        if MANIFEST not in small:
            _check_asked(folder, template, kind)
        checked = _fetch_large(repository, files, advance)
        _snapshot(repository, [file.name for file in files], repository.commit)
    for file in files:
        _check(folder / file.name, file, hashed=file.name in checked)
    return folder


def _check_asked(folder: Path, template: str | None, kind: str | None) -> None:
    """Raises UnsupportedModel for a model that is asked in a way that cannot be followed."""
    sign = kind_of(folder)
    if (sign.kind if kind is None and sign else kind) == EMBEDDING:
        recipe_of(folder)
    else:
        asking_of(folder, template, sure=kind == RERANKER)


def cached(
    hub_id: str, revision: str | None = None, *, engine: str | None = None, variant: str | None = None
) -> tuple[Path, Choice]:
    """The folder of a model that is in the cache already, and the choice among what is there of it.

    The hub is not asked. engine, variant: as for choose. Raises ModelError.
    """
    with explaining(hub_id, revision):
        folder = _cached(hub_id, [CONFIG], revision)
        names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        try:
            choice = choose(hub_id, [*filter(_is_known_place, names)], engine, variant)
        except YesrankError as error:
            raise not_cached(f"variant {variant} of {hub_id}" if variant else hub_id) from error
        return _cached(hub_id, choice.patterns, revision), choice


def _cached(hub_id: str, patterns: Sequence[str], revision: str | None) -> Path:
    """The folder in the cache. Where huggingface_hub knows what the hub has, it fails if some of that is missing."""
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(hub_id, revision=revision, local_files_only=True, allow_patterns=[*patterns])
    )


def _is_known_place(name: str) -> bool:
    """Whether a file lies where files of a model are looked for."""
    return "/" not in name.removeprefix("onnx/") or says_what_it_is(name)


def _snapshot(repository: Repository, names: Sequence[str], revision: str | None) -> Path:
    """Has huggingface_hub put these files into the cache. Only small ones are not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    quiet = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        folder = Path(snapshot_download(repository.id, revision=revision, allow_patterns=[*names]))
    finally:
        if not quiet:
            enable_progress_bars()
    if folder.name != repository.commit:
        raise ModelError(f"{repository.id} changed on the hub in the meantime", "run the same command again")
    return folder


def _fetch_large(
    repository: Repository, files: Sequence[RemoteFile], advance: Advance | None
) -> frozenset[str]:
    """Fetches the large files that are not in the cache; returns the names of those that were hashed."""
    missing = [
        (file, blob) for file in files if file.sha256 and (blob := _blob(repository, file)) is not None
    ]
    total = sum(file.size for file, _ in missing)
    done = sum(partial_size(blob) for _, blob in missing)
    _check_space(repository.id, total - done, [blob for _, blob in missing])

    def progress(count: int) -> None:
        nonlocal done
        done += count
        if advance is not None:
            advance(done, total)

    for _, blob in missing:
        fetch(blob, progress)
    return frozenset(file.name for file, _ in missing)


def _blob(repository: Repository, file: RemoteFile) -> Blob | None:
    """Where a large file is and where it has to go; None where the cache has it."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    store = Path(constants.HF_HUB_CACHE) / f"models--{repository.id.replace('/', '--')}"
    if (store / "snapshots" / repository.commit / file.name).exists():
        return None
    url = hf_hub_url(repository.id, file.name, revision=repository.commit)
    etag = get_hf_file_metadata(url).etag
    if not etag or not etag.isalnum() or (store / "blobs" / etag).exists():
        return None  # huggingface_hub does the rest
    lock = store.parent / ".locks" / store.name / f"{etag}.lock"
    headers: dict[str, Any] = build_hf_headers(library_name="yesrank")
    return Blob(url, store / "blobs" / etag, lock, file.name, file.size, str(file.sha256), headers)


def _check_space(hub_id: str, needed: int, blobs: Sequence[Blob]) -> None:
    for blob in blobs[:1]:
        blob.target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(blob.target.parent).free
        if free < needed + _MARGIN:
            raise NoSpace(
                f"{hub_id} needs {needed / 1e9:.2f} GB more, {blob.target.parent} has {free / 1e9:.2f} GB free",
                "free some space, or name a cache on another disk with HF_HOME",
            )


def _check(path: Path, file: RemoteFile, *, hashed: bool) -> None:
    """Compares a cached file with what the hub says of it, and takes a wrong one out of the cache."""
    right = path.stat().st_size == file.size
    if right and file.sha256 and not hashed:
        right = sha256(path) == file.sha256
    elif right and file.git and not file.sha256:
        content = path.read_bytes()
        head = f"blob {len(content)}\0".encode()
        right = hashlib.sha1(head + content, usedforsecurity=False).hexdigest() == file.git
    if right:
        return
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    raise ModelError(
        f"{path.name} in the cache is not the file that the hub describes (its size or hash differs)",
        "it was deleted: run the same command again to download it anew",
    )
