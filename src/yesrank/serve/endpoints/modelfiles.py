"""ONNX files of served models for a browser that runs them itself: read only, in the layout of the Hugging Face hub.

Only a folder whose manifest lists ONNX graphs is offered, and of it only the files that the manifest lists.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from yesrank.errors import ModelError
from yesrank.manifest import FILE, FileEntry, read_manifest, sha256
from yesrank.models.folder import builtin_folder
from yesrank.serve.http.admission import Downloads
from yesrank.serve.models.pool import ModelSpec
from yesrank.serve.watch.logs import log_event

DTYPES: Mapping[str, str] = {
    "": "fp32",
    "_fp16": "fp16",
    "_quantized": "q8",
    "_int8": "int8",
    "_uint8": "uint8",
    "_q4": "q4",
    "_q4f16": "q4f16",
    "_bnb4": "bnb4",
}
"""Suffix of a graph's file -> the name that Transformers.js has for it."""

_GRAPH = re.compile(r"onnx/model(_[a-z0-9]+)?\.onnx(_data(_\d+)?)?")


def summary(spec: ModelSpec, root_path: str = "") -> dict[str, Any] | None:
    """Where a model's files are and the bytes of each variant, data files counted in; None without ONNX graphs.

    root_path: what a proxy in front adds, so that the path is one that a browser can ask for.
    """
    variants: dict[str, int] = {}
    for name, entry in _listed(spec).items():
        match = _GRAPH.fullmatch(name)
        dtype = DTYPES.get(match[1] or "") if match else None
        if dtype is not None:
            variants[dtype] = variants.get(dtype, 0) + entry.bytes
    path = f"{root_path.rstrip('/')}/models/{spec.name}/resolve/main/"
    return {"path": path, "variants": variants} if variants else None


class _Sent(FileResponse):
    """A file that is open only while it has a place."""

    def __init__(self, path: Path, size: int, downloads: Downloads, **options: Any) -> None:
        super().__init__(path, **options)
        self._size, self._downloads = size, downloads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._downloads.enter(self._size):
            await super().__call__(scope, receive, send)


def response(request: Request, spec: ModelSpec, name: str, downloads: Downloads) -> Response | None:
    """The file, a part of it (Range), or 304; None where no such file is offered. downloads: where it is counted.

    Raises ModelError for a listed file that is gone, was altered or lies outside the folder.
    """
    if summary(spec) is None:
        return None
    entry = _listed(spec).get(name)
    if entry is None:
        return None
    headers = {
        "ETag": f'"{entry.sha256}"',
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    kind = "application/json" if name.endswith(".json") else "application/octet-stream"
    found = _safe(_folder(spec), name, entry)
    return _Sent(found, entry.bytes, downloads, media_type=kind, headers=headers)


def _folder(spec: ModelSpec) -> Path:
    return spec.path or builtin_folder()


def _listed(spec: ModelSpec) -> Mapping[str, FileEntry]:
    """Name -> entry of what the manifest lists, and of the manifest. Empty where there is none that can be read."""
    path = _folder(spec) / FILE
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}
    except (OSError, ModelError) as error:
        log_event("failed", kind=type(error).__name__, reason=str(error))
        return {}


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> Mapping[str, FileEntry]:
    manifest = read_manifest(path.parent)
    own = FileEntry(path.stat().st_size, sha256(path))
    return {} if manifest is None else {**manifest.files, FILE: own}


def _safe(folder: Path, name: str, entry: FileEntry) -> Path:
    """The file itself; a link that leads out of the folder is not followed."""
    home, found = folder.resolve(), (folder / name).resolve()
    if not found.is_relative_to(home) or not found.is_file() or found.stat().st_size != entry.bytes:
        raise ModelError(
            f"{folder / name} is not the file that {FILE} lists", "convert or copy the folder again"
        )
    return found
