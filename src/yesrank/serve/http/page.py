"""The page at /: its files, and what a browser is told about them. Built from web/page; see docs/web.md.

The files are public: they are the same on every server, and hold nothing of this one. They name each other by paths
relative to the page, so that it works behind any prefix. The largest, onnxruntime for browsers, lie in the package in
one file packed with xz, which browsers cannot unpack; they are handed out packed with gzip.
"""

import gzip
import hashlib
import json
import lzma
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from yesrank.serve.http.packing import wants_gzip

FOLDER = "assets"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""No script or style but the page's own files, and no connection but to this server."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # the two that allow shared memory, which the threads of WebAssembly need; a worker must send the second one too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".gz": "application/gzip",  # unpacked by the page itself, so that it works from any static host
}
_LEVEL = 6  # of gzip, for what is packed while somebody waits: 2 % larger than 9, in a third of the time
_FOR_EVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file in memory. packed: its gzip form where that is smaller."""

    media_type: str
    etag: str
    content: bytes
    packed: bytes | None


def folder() -> Path:
    """Where the built files are. To put them on a static host: publish."""
    return Path(str(files("yesrank"))) / "data" / "web"


def publish(target: str | Path) -> None:
    """Writes all files of the page as a static host serves them into a folder, which is made where it is missing."""
    for name in _names():
        place = Path(target) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_load(name).content)


def is_public(path: str) -> bool:
    """Whether a path is the page or one of its files."""
    return path == "/" or path.startswith(f"/{FOLDER}/")


def wants_html(accept: str) -> bool:
    """Whether a client prefers the page to JSON: browsers name text/html, programs say JSON or anything at all."""
    weights = dict(map(_preference, accept.split(",")))
    html = weights.get("text/html", 0.0)
    return html > 0 and html >= weights.get("application/json", 0.0)


def index(request: Request) -> Response | None:
    """The page; None where it was not built."""
    found = read("index.html")
    return None if found is None else _response(request, found, _ASK_AGAIN)


def asset(request: Request, name: str) -> Response | None:
    """One of its files, None for another name. The names hold a hash of the content: they are kept for ever."""
    found = read(f"{FOLDER}/{name}")
    return None if found is None else _response(request, found, _FOR_EVER)


def read(name: str) -> PageFile | None:
    """The file of that name, as the page's links write it. Only names of files that exist are looked up."""
    return _load(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    home = folder()
    found = (home / "index.html", *(home / FOLDER).glob("*"))
    return frozenset(
        (*(path.relative_to(home).as_posix() for path in found if path.suffix in _KINDS), *_parts())
    )


_one_at_a_time = threading.Lock()  # unpacking takes 70 MB for a second or two
_loaded: dict[str, PageFile] = {}


def _load(name: str) -> PageFile:
    found = _loaded.get(name)
    if found is None:
        with _one_at_a_time:
            found = _loaded.get(name) or _loaded.setdefault(name, _read(name))
    return found


def _read(name: str) -> PageFile:
    part = _parts().get(name)
    content = (
        (folder() / name).read_bytes() if part is None else gzip.compress(_unpacked(*part), _LEVEL, mtime=0)
    )
    packed = gzip.compress(content, 9, mtime=0) if part is None else None
    digest = hashlib.sha256(content).hexdigest()[:32]
    return PageFile(_KINDS[Path(name).suffix], f'"{digest}"', content, packed)


@cache
def _parts() -> Mapping[str, tuple[int, int]]:
    """(first byte, bytes) of each file in the pack."""
    found, begin = {}, 0
    for name, size in _pack().get("parts", ()):
        found[name] = (begin, size)
        begin += size
    return found


@cache
def _pack() -> Mapping[str, Any]:
    """What build.json says of it; nothing where the page was not built."""
    try:
        told = json.loads((folder() / "build.json").read_bytes())
    except FileNotFoundError:
        return {}
    packed: Mapping[str, Any] = told.get("packed", {})
    return packed


def _unpacked(begin: int, size: int) -> bytes:
    with lzma.open(folder() / _pack()["file"]) as file:
        file.seek(begin)
        return file.read(size)


def _response(request: Request, file: PageFile, caching: str) -> Response:
    pack = file.packed is not None and wants_gzip(request.headers.get("accept-encoding", ""))
    # one tag for both forms would be wrong: a strong one stands for bytes
    etag = file.etag.removesuffix('"') + '-gz"' if pack else file.etag
    headers = {**HEADERS, "ETag": etag, "Cache-Control": caching, "Vary": "Accept, Accept-Encoding"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if pack:
        headers["Content-Encoding"] = "gzip"
    body = file.packed if pack and file.packed is not None else file.content
    return Response(body, media_type=file.media_type, headers=headers)


def _preference(part: str) -> tuple[str, float]:
    kind, *parameters = (each.strip() for each in part.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return kind.lower(), float(weight)
    except ValueError:
        return kind.lower(), 0.0
