"""A web server on this machine: model folders, the library, its packages, and the pages of these tests."""

import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

_ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


@dataclass
class Site:
    """roots: folders by the first part of their URLs' path. isolated: whether pages may use threads.

    cut: files of which only so many bytes are sent, though their whole length is announced.
    """

    roots: Mapping[str, Path]
    isolated: bool = False
    cut: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serves it at `site.url` until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, site)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, site: Site) -> None:
    path = unquote(urlsplit(request.path).path)
    site.requests.append(f"{request.command} {path}")
    first, _, rest = path.lstrip("/").partition("/")
    file = site.roots[first] / rest if first in site.roots else None
    if file is None or not file.is_file():
        request.send_error(404)
        return
    size = file.stat().st_size
    request.send_response(200)
    request.send_header("Content-Type", _kind(file))
    request.send_header("Content-Length", str(size))
    for name, value in _ISOLATED.items() if site.isolated else ():
        request.send_header(name, value)
    request.end_headers()
    if request.command == "GET":
        with file.open("rb") as stream:
            request.wfile.write(stream.read(site.cut.get(path, size)))


def _kind(file: Path) -> str:
    if file.suffix in (".mjs", ".js"):
        return "text/javascript"
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"
