"""Errors -> responses, in the dialect of the request. Texts of a request and internals never get into one."""

import math
from collections.abc import Mapping
from difflib import get_close_matches

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from yesrank.documents.bounds import TooMany
from yesrank.errors import (
    DeadlineExceeded,
    Draining,
    EmptyInput,
    EngineError,
    IndexNotFound,
    InputError,
    ModelError,
    ModelLoading,
    ModelNotFound,
    ModelUnavailable,
    QueueFull,
    SearchError,
    ServerError,
    TooLong,
    YesrankError,
)
from yesrank.serve.dialects import LAST_PARTS
from yesrank.serve.dialects.base import Fault, Kind
from yesrank.serve.http.body import ClientGone, Refused
from yesrank.serve.http.middleware import CLIENT_GONE, local_path, shown
from yesrank.serve.watch.logs import log_event
from yesrank.serve.watch.record import record_of

_STATUS: Mapping[type[YesrankError], int] = {
    QueueFull: 429,
    ModelLoading: 503,
    ModelUnavailable: 503,
    Draining: 503,
    DeadlineExceeded: 504,
    ModelNotFound: 404,
    ModelError: 503,
    EngineError: 500,
    IndexNotFound: 404,
    SearchError: 503,
}
_KINDS: Mapping[type, Kind] = {
    TooMany: Kind.LARGE,
    TooLong: Kind.LONG,
    EmptyInput: Kind.EMPTY,
    InputError: Kind.FIELD,
    ModelNotFound: Kind.MODEL,
    QueueFull: Kind.BUSY,
}
_PATHS = (
    "/v1/rerank", "/v2/rerank", "/rerank", "/v1/reranking", "/v1/reranks", "/v1/ranking", "/v1/score", "/score",
    "/v1/search",
    "/api/v1/services/rerank/text-rerank/text-rerank", "/v1/models", "/health", "/ready", "/info", "/metrics", "/docs",
)  # fmt: skip
"""What is named as nearest to a path that leads nowhere."""
_SPOKEN = f"{_PATHS[0]} ranks documents, as does any path that ends in /{', /'.join(LAST_PARTS)}; "
# messages of these may hold paths of this machine or words of a driver: they go into the log only
_PRIVATE: Mapping[type[YesrankError], str] = {
    ModelError: "the model cannot be used now; the server's log says why",
    EngineError: "the model failed on this request; the server's log says why",
    SearchError: "the index cannot be used now; the server's log says why",
}


def install(app: FastAPI) -> None:
    """Sets the handlers."""
    app.add_exception_handler(YesrankError, _ours)
    app.add_exception_handler(ClientGone, _gone)
    app.add_exception_handler(HTTPException, _starlette)


def status_of(error: YesrankError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, TooMany):
        return 413
    if isinstance(error, InputError):
        return 400 if error.field in ("body", "model") else 422
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def kind_of(error: YesrankError) -> Kind:
    """What it is for a dialect."""
    if isinstance(error, Refused):
        return Kind.LARGE if error.status == 413 else Kind.OTHER
    return next((_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS), Kind.OTHER)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, YesrankError)
    status, record = status_of(error), record_of(request)
    record.line.error = type(error).__name__
    message, hint = error.message, error.hint
    private = _private(error)
    if private is not None or status == 500:
        log_event("failed", id=record.id, kind=type(error).__name__, reason=message)
        message, hint = private or "the request failed; the server's log says why", None
    field = error.field if isinstance(error, InputError) else None
    told, body = record.dialect.error(Fault(status, message, field, hint, record.id, kind_of(error)))
    return JSONResponse(body, told, headers=_headers(error, status))


def _private(error: YesrankError) -> str | None:
    if isinstance(error, ModelNotFound | IndexNotFound):  # the names that there are, see Pool.find
        return None
    return next((_PRIVATE[kind] for kind in type(error).__mro__ if kind in _PRIVATE), None)


def _headers(error: YesrankError, status: int) -> dict[str, str]:
    headers = {}
    if isinstance(error, ServerError) and status in (429, 503):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or 1)))
    return headers


def _near(path: str) -> str:
    found = get_close_matches(path.lower(), _PATHS, n=1, cutoff=0.7)
    return f"did you mean {found[0]}? " if found else _SPOKEN


async def _gone(request: Request, _: Exception) -> Response:
    record = record_of(request)
    record.line.status, record.line.error = CLIENT_GONE, "ClientGone"
    return Response(status_code=CLIENT_GONE)


async def _starlette(request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    assert isinstance(error, HTTPException)
    record = record_of(request)
    path = shown(local_path(request.scope))
    hint = None
    if error.status_code == 404:
        record.line.path = path
        hint = f"{_near(path)}the paths are listed at /docs"
    message = {404: f"there is nothing at {path}", 405: f"{path} does not take this method"}
    text = message.get(error.status_code, str(error.detail))
    status, body = record.dialect.error(Fault(error.status_code, text, None, hint, record.id))
    return JSONResponse(body, status, headers=error.headers)
