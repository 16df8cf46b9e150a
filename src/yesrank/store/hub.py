"""Models of the Hugging Face hub: what to download of one, and the download into the usual cache."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yesrank.errors import ModelError, NoSpace, UnsupportedModel
from yesrank.manifest import sha256
from yesrank.qwen3 import Qwen3Config
from yesrank.store.blobs import Blob, fetch, partial_size
from yesrank.store.hub_errors import explaining, is_offline

_CONFIG = "config.json"
_SMALL = {
    _CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "yesrank.json",
    "head.safetensors",
}
_LEGAL = ("LICENSE", "NOTICE")
_OFFLINE_PATTERNS = [*_SMALL, "LICENSE*", "NOTICE*", "model*.safetensors*", "openvino_*"]
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
    """A repository at one commit, with the files at its top level."""

    id: str
    commit: str
    files: tuple[RemoteFile, ...]


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
        if "/" not in each.rfilename
    ]
    return Repository(hub_id, str(info.sha), tuple(files))


def download(repository: Repository, revision: str | None = None, advance: Advance | None = None) -> Path:
    """Brings what is needed of a repository into the Hugging Face cache, and returns its folder there.

    Large files are continued where an earlier run stopped, and enter the cache only with the right SHA-256. The
    configuration comes first, so that another architecture is refused before gigabytes are fetched.
    Raises ModelError, UnsupportedModel, NoSpace.
    """
    files = wanted(repository)
    with explaining(repository.id, revision):
        folder = _snapshot(repository, [_CONFIG], revision)
        Qwen3Config.from_folder(folder)
        checked = _fetch_large(repository, files, advance)
        _snapshot(repository, [file.name for file in files], repository.commit)
    for file in files:
        _check(folder / file.name, file, hashed=file.name in checked)
    return folder


def cached(hub_id: str, revision: str | None = None) -> Path:
    """The folder of a model that is in the cache already, without asking the hub. Raises ModelError."""
    from huggingface_hub import snapshot_download

    with explaining(hub_id, revision):
        folder = snapshot_download(
            hub_id, revision=revision, local_files_only=True, allow_patterns=_OFFLINE_PATTERNS
        )
    return Path(folder)


def wanted(repository: Repository) -> tuple[RemoteFile, ...]:
    """The files that are needed: a safetensors checkpoint, else an OpenVINO model. Raises UnsupportedModel."""
    names = {file.name for file in repository.files}
    if _CONFIG in names and _has_checkpoint(names):
        chosen = {name for name in names if name.startswith("model") and ".safetensors" in name}
    elif {_CONFIG, "openvino_model.xml", "openvino_model.bin"} <= names:
        chosen = {name for name in names if name.startswith("openvino_")}
    else:
        raise UnsupportedModel(*_refusal(repository.id, names))
    chosen |= {name for name in names if name in _SMALL or name.upper().startswith(_LEGAL)}
    return tuple(file for file in repository.files if file.name in chosen)


def _has_checkpoint(names: Iterable[str]) -> bool:
    return any(name in names for name in ("model.safetensors", "model.safetensors.index.json"))


def _refusal(hub_id: str, names: set[str]) -> tuple[str, str]:
    if any(name.endswith(".gguf") for name in names):
        return f"{hub_id} holds a GGUF model", "pull the original safetensors checkpoint instead"
    if "adapter_config.json" in names:
        return (
            f"{hub_id} is a LoRA adapter, not a whole model",
            "merge it into its base first (peft: merge_and_unload, then save_pretrained), then: yesrank add",
        )
    return (
        f"{hub_id} holds neither a safetensors checkpoint nor an OpenVINO model",
        "for example: yesrank pull Qwen/Qwen3-Reranker-0.6B",
    )


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
