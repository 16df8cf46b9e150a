"""A small Hugging Face hub on loopback, with the faults of a real one: two servers, as hub and as content network."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_right"
_LARGE = (".safetensors", ".bin", "tokenizer.json", ".onnx", ".onnx_data", ".onnx_data_1")


@dataclass
class Request:
    """What a client asked for."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """One model, its faults, and what was asked for.

    cut: how many answers per file break off half way; stall: files that stop half way until the client is gone;
    altered: files whose content is not what the hub says. status, code: the answer to everything, where set.
    """

    id: str
    files: dict[str, bytes]
    commit: str = COMMIT
    private: bool = False
    status: int = 200
    code: str = ""
    cut: dict[str, int] = field(default_factory=dict)
    stall: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)
    halfway: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    content_url: str = ""

    @classmethod
    def of_folder(cls, hub_id: str, folder: Path) -> "Hub":
        """A hub with the files of a folder."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls(hub_id, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})

    def ranges(self, name: str) -> list[str | None]:
        """The Range of every request for the content of a large file, in order."""
        return [each.range for each in self.requests if each.path == f"/content/{name}"]

    def siblings(self) -> list[dict[str, object]]:
        return [
            {"rfilename": name, "size": len(data), "blobId": _git(data), "lfs": _lfs(name, data, "sha256")}
            for name, data in self.files.items()
        ]

    def tree(self) -> list[dict[str, object]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": _git(data)}
            | ({"lfs": lfs} if (lfs := _lfs(name, data, "oid")) else {})
            for name, data in self.files.items()
        ]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Runs both servers; closes them at the end, and lets go of clients that wait."""
    servers = [
        ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, kind)) for kind in (_HubHandler, _ContentHandler)
    ]
    hub.url, hub.content_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.where = unquote(urlsplit(self.path).path)
        self.hub.requests.append(
            Request(self.command, self.where, self.headers.get("Range"), self.headers.get("Authorization"))
        )
        self.handle_path()

    def handle_path(self) -> None: ...

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


class _HubHandler(_Handler):
    def handle_path(self) -> None:
        hub = self.hub
        if hub.private and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.reply(401, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        if hub.status != 200:
            return self.reply(hub.status, X_Error_Code=hub.code)
        api, resolve = f"/api/models/{hub.id}", f"/{hub.id}/resolve/"
        if self.where.startswith(resolve):
            revision, _, name = self.where.removeprefix(resolve).partition("/")
            return self.resolve(revision, name)
        if self.where.startswith(api):
            return self.describe(self.where.removeprefix(api))
        return self.reply(404, X_Error_Code="RepoNotFound")

    def describe(self, rest: str) -> None:
        kind, _, revision = rest.strip("/").partition("/")
        if revision not in ("", "main", self.hub.commit):
            return self.reply(404, X_Error_Code="RevisionNotFound")
        about = {"id": self.hub.id, "sha": self.hub.commit, "siblings": self.hub.siblings()}
        body = json.dumps(self.hub.tree() if kind == "tree" else about).encode()
        return self.reply(200, body, Content_Type="application/json")

    def resolve(self, revision: str, name: str) -> None:
        if revision not in ("main", self.hub.commit) or name not in self.hub.files:
            return self.reply(404, X_Error_Code="EntryNotFound")
        data, commit = self.hub.files[name], self.hub.commit
        if not name.endswith(_LARGE):
            return self.reply(200, _content(self.hub, name), ETag=f'"{_git(data)}"', X_Repo_Commit=commit)
        return self.reply(
            302,
            Location=f"{self.hub.content_url}/content/{name}",
            X_Linked_Etag=f'"{hashlib.sha256(data).hexdigest()}"',
            X_Linked_Size=str(len(data)),
            X_Repo_Commit=commit,
        )


class _ContentHandler(_Handler):
    def handle_path(self) -> None:
        hub, name = self.hub, self.where.removeprefix("/content/")
        data, begin = _content(hub, name), 0
        headers = {}
        if asked := self.headers.get("Range"):
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            headers["Content_Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        rest = data[begin:]
        if name in hub.stall or hub.cut.get(name):
            hub.cut[name] = hub.cut.get(name, 1) - 1
            return self.half(rest, 206 if asked else 200, wait=name in hub.stall)
        return self.reply(206 if asked else 200, rest, **headers)

    def half(self, body: bytes, status: int, *, wait: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.hub.halfway.set()
        if wait:
            self.hub.over.wait(timeout=30)
        self.close_connection = True


def _handler(hub: Hub, kind: type[_Handler]) -> type[_Handler]:
    return type(kind.__name__, (kind,), {"hub": hub})


def _content(hub: Hub, name: str) -> bytes:
    data = hub.files[name]
    return data[:-1] + bytes([data[-1] ^ 1]) if name in hub.altered else data


def _git(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def _lfs(name: str, data: bytes, key: str) -> dict[str, object] | None:
    if not name.endswith(_LARGE):
        return None
    return {key: hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
