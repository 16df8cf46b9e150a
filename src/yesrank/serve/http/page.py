"""The page at /: its files, and what a browser is told about them. Built from web/page; see docs/web.md.

The files are public: they are the same on every server, and hold nothing of this one. They name each other by paths
relative to the page, so that it works behind any prefix.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

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
_FOR_EVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file in memory. packed: its gzip form where that is smaller."""

    media_type: str
    etag: str
    content: bytes
    packed: bytes | None


def folder() -> Path:
    """Where the built files are."""
    return Path(str(files("yesrank"))) / "data" / "web"


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
    return frozenset(path.relative_to(home).as_posix() for path in found if path.suffix in _KINDS)


@cache
def _load(name: str) -> PageFile:
    path = folder() / name
    content = path.read_bytes()
    packed = None if path.suffix == ".gz" else gzip.compress(content, 9, mtime=0)
    digest = hashlib.sha256(content).hexdigest()[:32]
    return PageFile(_KINDS[path.suffix], f'"{digest}"', content, packed)


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
