"""One large file of the hub into the Hugging Face cache: continued where it stopped, hashed before it counts.

huggingface_hub itself begins a file anew in every run. Here the part that came stays beside the file's place in
the cache, and the next run asks for the rest (Range). A finished file takes its place by a rename, so that
huggingface_hub, and other programs that use the cache, find it as if they had fetched it.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yesrank.errors import ModelError
from yesrank.manifest import sha256
from yesrank.store.hub_errors import is_transient

_PATIENCE = 3  # tries in a row that bring nothing
_PAUSE = 1.0
_READ_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Blob:
    """A file to fetch. target: its place in the cache; lock: the file that huggingface_hub locks for it."""

    url: str
    target: Path
    lock: Path
    name: str
    size: int
    sha256: str
    headers: Mapping[str, Any]

    @property
    def partial(self) -> Path:
        """The part that is here already."""
        return self.target.with_name(f"{self.target.name}.yesrank.incomplete")


def partial_size(blob: Blob) -> int:
    """Bytes that an earlier run brought."""
    return blob.partial.stat().st_size if blob.partial.exists() else 0


def fetch(blob: Blob, progress: Callable[[int], None]) -> None:
    """Brings the blob to its place. progress: told how many more bytes are here (fewer: a negative number).

    Raises ModelError where the content is not what the hub said; what the HTTP client raises after several
    tries that brought nothing; OSError where the disk is full. What came stays for the next run.
    """
    from filelock import FileLock

    blob.lock.parent.mkdir(parents=True, exist_ok=True)
    blob.target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(blob.lock):
        if blob.target.exists():
            return
        _complete(blob, progress)
        if blob.partial.stat().st_size != blob.size or sha256(blob.partial) != blob.sha256:
            blob.partial.unlink()
            raise ModelError(
                f"{blob.name} is not the file that the hub describes (its size or SHA-256 differs)",
                "what was downloaded is deleted: run again; if it stays so, the hub or a proxy alters the file",
            )
        with blob.partial.open("rb+") as file:  # or a power cut leaves the right name on another content
            os.fsync(file.fileno())
        blob.partial.replace(blob.target)


def _complete(blob: Blob, progress: Callable[[int], None]) -> None:
    """Asks for the rest until all is here."""
    failures = 0
    while (begin := partial_size(blob)) < blob.size or not blob.partial.exists():
        try:
            _receive(blob, begin, progress)
            grown = partial_size(blob) > begin
        except Exception as error:
            grown = partial_size(blob) > begin
            if not is_transient(error) or (failures >= _PATIENCE and not grown):
                raise
        failures = 0 if grown else failures + 1
        if partial_size(blob) < blob.size:
            time.sleep(_PAUSE)


def _receive(blob: Blob, begin: int, progress: Callable[[int], None]) -> None:
    """One request for the bytes from `begin`, appended as they come."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import hf_raise_for_status

    headers = {**blob.headers, "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    with get_session().stream("GET", blob.url, headers=headers, timeout=_READ_TIMEOUT) as response:
        if response.status_code >= 400:
            response.read()
            hf_raise_for_status(response)
        continues = response.status_code == 206
        if begin and not continues:
            progress(-begin)
        with blob.partial.open("ab" if continues else "wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
                progress(len(chunk))
                if file.tell() > blob.size:
                    return
