"""Around every request: an id, a log line, counters, and the last resort for what nobody foresaw."""

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yesrank.serve.dialects import unread
from yesrank.serve.dialects.base import Fault, Kind
from yesrank.serve.http.auth import OPEN_PATHS, Keys
from yesrank.serve.http.hosts import Hosts, name_of
from yesrank.serve.http.origins import Origins
from yesrank.serve.http.page import is_public
from yesrank.serve.watch.logs import Line, log_crash, log_request
from yesrank.serve.watch.metrics import Metrics
from yesrank.serve.watch.record import Record

CLIENT_GONE = 499
"""Stands in logs and counters only: there is nobody to send it to."""

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_ABSOLUTE = re.compile(r"^https?://[^/]*", re.IGNORECASE)
"""Clients that take the server for a proxy send whole URLs; RFC 9112, 3.2.2 wants them answered."""
_PART = 64 * 1024
_LONGEST_PATH = 200
_QUESTIONS = ("GET", "HEAD", "OPTIONS")
_FOREIGN_HOST = "the Host header names a server that this one is not known to be"
_ALLOW_HOST = "allow the name: --allowed-host NAME, or YESRANK_SERVE_ALLOWED_HOSTS"
_FOREIGN_ORIGIN = "pages of other origins may not ask for this"
_ALLOW_ORIGIN = "allow theirs: --cors-origin ORIGIN, or YESRANK_SERVE_CORS_ORIGINS"
_INTERNAL = "the server made a mistake on this request; its log has more under the request id"


def local_path(scope: Scope) -> str:
    """The path without what a proxy put in front."""
    return str(scope["path"]).removeprefix(str(scope.get("root_path", ""))) or "/"


class Frame:
    """The outermost of our middleware: nothing is answered without an id, and a line in the log."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, root_path: str = "") -> None:
        self._app, self._metrics = app, metrics
        self._root_path = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; anything but HTTP is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._place(scope)
        headers = Headers(scope=scope)
        line = Line(_request_id(headers), str(scope["method"])[:16])
        record = Record(line, unread(local_path(scope), headers))
        scope.setdefault("state", {})["record"] = record
        try:
            await self._app(scope, receive, _stamped(send, record, last=_ambiguous(headers)))
        finally:
            self._account(scope, record)

    def _place(self, scope: Scope) -> None:
        """Sets the path as ASGI wants it, whether the proxy took its part off or not."""
        path = _ABSOLUTE.sub("", scope["path"]) or "/"
        if self._root_path:
            scope["root_path"] = self._root_path
            if f"{path}/".startswith(f"{self._root_path}/"):
                path = path.removeprefix(self._root_path)
        scope["path"] = self._root_path + _tidy(path)

    def _account(self, scope: Scope, record: Record) -> None:
        line, seconds = record.line, time.perf_counter() - record.started
        line.route = getattr(scope.get("route"), "path", "unknown")
        line.status = line.status or CLIENT_GONE
        line.ms["total"] = round(seconds * 1e3, 2)
        self._metrics.requests.labels(line.route, line.dialect or "", str(line.status)).inc()
        self._metrics.request_seconds.labels(line.route).observe(seconds)
        if line.error:
            self._metrics.errors.labels(line.error).inc()
        log_request(line)


class Gate:
    """Checks who asks, so that no route can forget to, and answers where something crashed.

    It stands within what adds CORS headers: a browser hides a refusal that lacks them from the page's own code.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, hosts: Hosts, origins: Origins) -> None:
        self._app, self._keys, self._hosts, self._origins = app, keys, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; anything but HTTP is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record: Record = scope["state"]["record"]
        try:
            refusal = self._refusal(scope, record)
            if refusal is not None:
                record.line.path = shown(
                    local_path(scope)
                )  # it was not routed, so that nothing else names it
            await (refusal or self._app)(scope, receive, send)
        except Exception as error:  # whatever it is, the client gets an answer, and the server goes on
            log_crash(record.id, error)
            record.line.error = type(error).__name__
            if not record.line.status:
                await _error(record, 500, _INTERNAL)(scope, receive, send)
            record.line.status = 500

    def _refusal(self, scope: Scope, record: Record) -> JSONResponse | None:
        headers, path = Headers(scope=scope), local_path(scope)
        host = headers.get("host")
        if host:  # clients of HTTP/1.0 may send none; browsers always do
            name = name_of(host)
            if name is None:
                return _refused(record, "BadHost", 400, "the Host header is not a name or an address")
            if not self._hosts.allow(name):
                return _refused(record, "ForeignHost", 403, _FOREIGN_HOST, _ALLOW_HOST)
        if _needs_key(scope) and not self._keys.allow(headers):
            return _unauthorised(record)
        record.foreign = not self._origins.allow(headers, changes=True)
        changes = path.endswith(("/load", "/unload"))
        if scope["method"] not in _QUESTIONS and not self._origins.allow(headers, changes=changes):
            return _refused(record, "ForeignOrigin", 403, _FOREIGN_ORIGIN, _ALLOW_ORIGIN)
        return None


def _needs_key(scope: Scope) -> bool:
    """Pre-flight questions of browsers carry no key; they are answered from the CORS settings alone."""
    path = local_path(scope)
    return not (path in OPEN_PATHS or is_public(path) or scope["method"] == "OPTIONS")


def _tidy(path: str) -> str:
    """The path without empty parts: base URLs that end with a slash are joined to paths that begin with one."""
    parts = [part for part in path.split("/") if part]
    return "/" + "/".join(parts) if parts else path[:1]


def _ambiguous(headers: Headers) -> bool:
    """Whether a body has two lengths, of which a proxy in front may have taken the other: see RFC 9112, 6.1."""
    return "transfer-encoding" in headers and "content-length" in headers


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _stamped(send: Send, record: Record, *, last: bool) -> Send:
    """Adds the request's id and times to the head of the response, and notes its status. last: ends the connection."""

    async def stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.line.status = record.line.status or message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = record.id
            if last:
                headers["Connection"] = "close"
            if record.line.ms:
                times = [f"{name};dur={value:.2f}" for name, value in record.line.ms.items()]
                headers["Server-Timing"] = ", ".join(times)
        await _send_in_parts(send, message)

    return stamped


async def _send_in_parts(send: Send, message: Message) -> None:
    """Sends a long body bit by bit: each waits until its client has taken those before, or would be held twice."""
    body, begin = message.get("body", b""), 0
    while len(body) - begin > _PART:
        await send({**message, "body": body[begin : begin + _PART], "more_body": True})
        begin += _PART
    await send({**message, "body": body[begin:]} if begin else message)


def shown(path: str) -> str:
    """The path as it can be said and logged: short, and of plain characters."""
    plain = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in path)
    return plain if len(plain) <= _LONGEST_PATH else plain[:_LONGEST_PATH] + "..."


def _refused(record: Record, kind: str, status: int, message: str, hint: str | None = None) -> JSONResponse:
    record.line.error = kind
    return _error(record, status, message, hint)


def _unauthorised(record: Record) -> JSONResponse:
    message, hint = "an API key is missing or wrong", "send Authorization: Bearer KEY, or x-api-key"
    response = _refused(record, "Unauthorized", 401, message, hint)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _error(record: Record, status: int, message: str, hint: str | None = None) -> JSONResponse:
    kind = Kind.KEY if status == 401 else Kind.OTHER
    told, body = record.dialect.error(Fault(status, message, None, hint, record.id, kind))
    return JSONResponse(body, told)
