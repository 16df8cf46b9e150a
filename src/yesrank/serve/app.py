"""The application: settings -> everything that answers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from yesrank.serve.endpoints import openapi
from yesrank.serve.endpoints.routes import router
from yesrank.serve.http import failures
from yesrank.serve.http.auth import Keys
from yesrank.serve.http.hosts import Hosts
from yesrank.serve.http.middleware import Frame, Gate
from yesrank.serve.http.origins import Origins
from yesrank.serve.models import entries as models
from yesrank.serve.models.pool import ModelSpec, PoolOptions
from yesrank.serve.service import Service
from yesrank.serve.settings import Settings
from yesrank.store import Entry

_ABOUT = (
    "Ranks documents by the probability that a Qwen3-Reranker answers yes. The shape of a request's body decides the "
    "shape of the answer: Cohere, Jina, Voyage, vLLM, OpenArc and Text Embeddings Inference clients work as they are."
)


def create_app(
    settings: Settings | None = None,
    entries: Sequence[Entry] | None = None,
    pool_options: PoolOptions | None = None,
) -> FastAPI:
    """The application of one server; nothing is loaded before its lifespan begins.

    entries: the models, the first as default; else what the settings name (see models.entries). pool_options: for
    tests, how models are opened and unloaded. Raises ModelNotFound, InputError or ModelError.
    """
    settings = settings or Settings()
    service = Service(settings, specs(entries or models.entries(settings)), pool_options)
    app = FastAPI(
        title="yesrank",
        version=version("yesrank"),
        description=_ABOUT,
        lifespan=_lifespan,
        docs_url=None,  # our own page: the usual one loads its scripts from another machine
        redoc_url=None,
        redirect_slashes=False,  # paths come without them; a redirect would repeat whatever Host the client sent
    )
    app.state.service = service
    app.openapi = lambda: openapi.document(app, keys=bool(settings.api_keys))  # type: ignore[method-assign]
    failures.install(app)
    app.include_router(router())
    hosts = Hosts(
        settings.host,
        settings.allowed_hosts,
        on_loopback=settings.on_loopback,
        keys=bool(settings.api_keys),
    )
    origins = Origins(settings.cors_origins, hosts)
    app.add_middleware(Gate, keys=Keys(settings.api_keys), hosts=hosts, origins=origins)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Server-Timing", "Retry-After", "X-Yesrank-Note"],
        )
    # what is added last is outermost
    app.add_middleware(Frame, metrics=service.metrics, root_path=settings.root_path)
    return app


def specs(entries: Sequence[Entry]) -> tuple[ModelSpec, ...]:
    """What the pool needs to know of stored models."""
    return tuple(
        ModelSpec(
            name=entry.name,
            aliases=entry.aliases,
            path=entry.path,
            device=entry.device,
            precision=entry.precision,
            engine=entry.engine,
            variant=entry.variant,
            instruction=entry.instruction,
            template=entry.template,
            max_length=entry.max_length,
            shape=entry.shape,
            kind=entry.kind,
        )
        for entry in entries
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await service.start()
    try:
        yield
    finally:
        await service.close()
