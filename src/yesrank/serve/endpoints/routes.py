"""Paths -> what answers them."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from yesrank.serve import dialects
from yesrank.serve.dialects.base import Fault
from yesrank.serve.endpoints import docs, modelfiles, openapi, pages
from yesrank.serve.http import page
from yesrank.serve.http.middleware import local_path
from yesrank.serve.service import Service
from yesrank.serve.watch import metrics
from yesrank.serve.watch.logs import Line
from yesrank.serve.watch.record import Record, record_of

RERANK = (
    "/rerank", "/v1/rerank", "/v2/rerank", "/v3/rerank", "/reranking", "/v1/reranking", "/reranks", "/v1/reranks",
    "/api/v1/rerank", "/invocations",
)  # fmt: skip
SHAPES: Mapping[str, openapi.Shape] = {
    **dict.fromkeys(RERANK, openapi.COHERE),
    "/tei/rerank": openapi.TEI,
    "/voyage/v1/rerank": openapi.VOYAGE,
    "/ranking": openapi.NVIDIA,
    "/v1/ranking": openapi.NVIDIA,
    "/api/v1/services/rerank/text-rerank/text-rerank": openapi.DASHSCOPE,
    "/score": openapi.SCORE,
    "/v1/score": openapi.SCORE,
}
"""Path -> what it is described with. Each takes all shapes."""
SEARCH = "/v1/search"
NOTE = "X-Yesrank-Note"
"""What was read otherwise than it was sent, or not at all."""
EMBED = ("/v1/embeddings", "/embeddings", "/embed", "/v1/embed", "/v2/embed")
EMBED_UNLISTED = ("/embed_all",)


def router() -> APIRouter:
    """All routes."""
    found = APIRouter()
    for path, shape in SHAPES.items():
        summary = "Score pairs" if shape is openapi.SCORE else "Rank documents"
        _post(found, path, rerank, summary, openapi.of(shape))
    _post(found, SEARCH, search, "Search an index of files", openapi.search())
    for path in EMBED:
        _post(found, path, embed, "Vectors of texts", openapi.embed(path))
    for path in EMBED_UNLISTED:
        _post(found, path, embed, "Refused, with a reason", None)
    for last in dialects.LAST_PARTS:
        for path in (f"/{last}", f"/{{before:path}}/{last}"):
            _post(found, path, rerank, "Rank documents", None)
    for path in ("/inference/{model:path}", "/{before:path}/inference/{model:path}"):
        _post(found, path, rerank, "Rank documents, the path names the model", None)
    for path in ("/{before:path}/embeddings", "/{before:path}/embed", "/{before:path}/embed_all"):
        _post(found, path, embed, "As without what stands before", None)
    _add_models(found)
    _add_state(found)
    _add_page(found)
    return found


def _post(router: APIRouter, path: str, function: Any, summary: str, extra: dict[str, Any] | None) -> None:
    name = "post" + path.replace("/", "_")
    router.add_api_route(
        path,
        function,
        methods=["POST"],
        summary=summary,
        name=name,
        operation_id=name,
        openapi_extra=extra,
        include_in_schema=extra is not None,
        response_class=JSONResponse,
    )


def _get(router: APIRouter, path: str, function: Any, **listed: Any) -> None:
    """Answers GET, which the documentation lists, and HEAD, which every path that has GET must have."""
    _unlisted(router, path, function)
    router.add_api_route(path, function, methods=["GET"], **listed)


def _unlisted(router: APIRouter, path: str, function: Any) -> None:
    router.add_api_route(path, function, methods=["GET", "HEAD"], include_in_schema=False)


def _add_models(router: APIRouter) -> None:
    unknown = openapi.answers("Model", "401", "404")
    change = openapi.answers("Model", "401", "403", "404", "503")
    _get(router, "/v1/models", list_models, summary="Models", responses=openapi.answers("ModelList", "401"))
    # load and unload before the plain one: a name may hold slashes, and would take their last part
    router.add_api_route(
        "/v1/models/{name:path}/load", load, methods=["POST"], summary="Load now", responses=change
    )
    router.add_api_route(
        "/v1/models/{name:path}/unload", unload, methods=["POST"], summary="Free its memory", responses=change
    )
    _get(router, "/v1/models/{name:path}", show_model, summary="Model", responses=unknown)


def _add_state(router: APIRouter) -> None:
    for path in ("/health", "/healthz", "/ping", "/.well-known/live"):
        _get(router, path, health, summary="Alive", responses=openapi.answers("Status"))
    for path in ("/ready", "/.well-known/ready"):
        _get(router, path, ready, summary="Ready", responses=openapi.answers("Status", "503"))
    for path in ("/info", "/meta"):
        _get(
            router,
            path,
            info,
            summary="As Text Embeddings Inference",
            responses=openapi.answers("Info", "401"),
        )
    _get(router, "/v1/cluster/auth", cluster_auth, summary="Keys or none", responses=openapi.answers("Auth"))
    _get(router, "/metrics", show_metrics, summary="For Prometheus", response_class=PlainTextResponse)
    _get(router, "/docs", show_docs, summary="This documentation", response_class=HTMLResponse)


def _add_page(router: APIRouter) -> None:
    _get(router, "/", root, summary="The page for browsers")
    _get(router, f"/{page.FOLDER}/{{name}}", page_file, summary="A file of the page", response_class=Response)
    model = "/models/{name:path}/resolve/main/{file:path}"
    _get(router, model, model_file, summary="A file of a model", response_class=Response)


def _usage(line: Line) -> dict[str, str]:
    """Headers of Text Embeddings Inference: tokens, and times in whole milliseconds."""
    times = {"tokenization": "tokenize", "queue": "queue", "inference": "infer"}
    headers = {f"x-{name}-time": str(round(line.ms.get(stage, 0))) for name, stage in times.items()}
    return {"x-compute-type": "cpu+optimized", "x-compute-tokens": str(line.tokens), **headers}


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


def _told(record: Record) -> dict[str, str]:
    """Headers: usage, and notes where there are any."""
    return {**_usage(record.line), **({NOTE: "; ".join(record.notes)} if record.notes else {})}


async def rerank(request: Request) -> Response:
    """Scores documents for a query; the shape of the body decides the shape of the answer."""
    service, record = _service(request), record_of(request)
    made = await service.rerank(request)
    made, packed = await service.pack(made, request.headers.get("accept-encoding", ""))
    return Response(made, media_type="application/json", headers={**packed, **_told(record)})


async def search(request: Request) -> Response:
    """Passages of an index that answer a query."""
    service = _service(request)
    made, packed = await service.pack(
        await service.search(request), request.headers.get("accept-encoding", "")
    )
    return Response(
        made, media_type="application/json", headers={**_usage(record_of(request).line), **packed}
    )


async def embed(request: Request) -> Response:
    """Vectors of texts; where no model embeds, the answer says so."""
    service, record = _service(request), record_of(request)
    if not service.embeds:
        record.line.dialect, record.line.error = record.dialect.name, "InputError"
        status, found = dialects.refusal(local_path(request.scope), record.id)
        return JSONResponse(found, status)
    made, packed = await service.pack(
        await service.embed(request), request.headers.get("accept-encoding", "")
    )
    return Response(made, media_type="application/json", headers={**packed, **_told(record)})


async def list_models(request: Request) -> Response:
    """All models with their state, as OpenAI lists models."""
    return JSONResponse(pages.models(_service(request)))


async def show_model(request: Request, name: str) -> Response:
    """One model, by name or alias."""
    return JSONResponse(pages.model(_service(request), name))


async def load(request: Request, name: str) -> Response:
    """Loads a model and answers when it is loaded."""
    service = _service(request)
    await service.load(name)
    return JSONResponse(pages.model(service, name))


async def unload(request: Request, name: str) -> Response:
    """Frees a model when the requests that use it are finished; the next request loads it again."""
    service = _service(request)
    await service.pool.unload(name)
    return JSONResponse(pages.model(service, name))


async def health() -> Response:
    """The process is alive. Says nothing about models: see /ready."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 after a pair was scored with the default model; 503 with the reason before, and while shutting down."""
    readiness, record = _service(request).readiness, record_of(request)
    # an image's address could name this path: it may not have a model loaded
    problem = readiness.problem() if record.foreign else readiness.ask()
    if problem is None:
        return JSONResponse({"status": "ready"})
    record.line.error = "NotReady"
    _, made = record.dialect.error(Fault(503, problem, request_id=record.id))
    return JSONResponse({"status": "not ready", "reason": problem, **made}, 503, {"Retry-After": "1"})


async def cluster_auth(request: Request) -> Response:
    """Whether there are keys: Xinference's clients ask before they send theirs."""
    return JSONResponse({"auth": bool(_service(request).settings.api_keys)})


async def info(request: Request) -> Response:
    """The default model, or the one that ?model= names, and the limits, in the words of Text Embeddings Inference."""
    return JSONResponse(pages.info(_service(request), request.query_params.get("model")))


async def show_metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return Response(_service(request).metrics.render(), media_type=metrics.CONTENT_TYPE)


async def show_docs(request: Request) -> Response:
    """The documentation, with examples that can be sent from the page."""
    return HTMLResponse(docs.page(request.app.openapi(), request.scope.get("root_path", "")))


def root(request: Request) -> Response:
    """The page for browsers; for programs, where things are."""
    found = page.index(request) if page.wants_html(request.headers.get("accept", "")) else None
    if found is not None:
        return found
    base = request.scope.get("root_path", "")
    places = {"docs": "/docs", "openapi": "/openapi.json", "models": "/v1/models", "health": "/health"}
    body = {"name": "yesrank", **{name: base + path for name, path in places.items()}}
    return JSONResponse(body, headers={"Vary": "Accept"})


def page_file(request: Request, name: str) -> Response:
    """A script, style or other part of the page."""
    return page.asset(request, name) or _nothing()


def model_file(request: Request, name: str, file: str) -> Response:
    """A file of a model that browsers may run themselves."""
    service = _service(request)
    if record_of(request).foreign:  # it could not read the file, but hold a place of those that can
        raise HTTPException(403, "pages of other origins may not ask for this")
    spec = service.pool.find(name).spec
    return modelfiles.response(request, spec, file, service.downloads) or _nothing()


def _nothing() -> Response:
    raise HTTPException(404)
