"""What a server does with a request, and the life of what it does it with: models, queue, threads."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from yesrank.errors import Draining, InputError, ModelNotFound
from yesrank.models.windows import Windows, whole
from yesrank.serve import answering, embedding, searching
from yesrank.serve.answering import Workers
from yesrank.serve.dialects import Dialect, embed, model_in, recognise
from yesrank.serve.http import body, packing, protocol
from yesrank.serve.http.admission import Admission, Downloads, Place
from yesrank.serve.http.middleware import local_path
from yesrank.serve.http.waiting import while_wanted
from yesrank.serve.models.handle import own_template
from yesrank.serve.models.pool import ModelSpec, Pool, PoolOptions
from yesrank.serve.models.readiness import Readiness
from yesrank.serve.queue.limits import Limits
from yesrank.serve.queue.scheduler import Answer, Scheduler
from yesrank.serve.requests import RerankRequest
from yesrank.serve.settings import Settings
from yesrank.serve.watch import tracing
from yesrank.serve.watch.metrics import Metrics, Now
from yesrank.serve.watch.record import Record, record_of
from yesrank.store.entry import BUILTIN
from yesrank.types import FloatArray

_CLOSE_SECONDS = 10
_MARGIN = 0.25  # seconds: the scheduler's own deadline comes first, and says how far the work came
_DEFAULT_ANSWERS = "no model has the name that was asked for: the default one answered"


@dataclass(frozen=True, slots=True)
class _Scored:
    model: str
    parts: Windows
    answer: Answer


class Service:
    """One server's models, queue and counters. `start` and `close` on its event loop."""

    def __init__(
        self, settings: Settings, specs: tuple[ModelSpec, ...], options: PoolOptions | None = None
    ) -> None:
        self.settings = settings
        self.metrics = Metrics(self._now)
        limits = Limits(queued_tokens=settings.max_queue_tokens, queued_requests=settings.max_queue_requests)
        self.pool = Pool(specs, options or PoolOptions(idle_seconds=settings.idle_unload), self.metrics)
        self.scheduler = Scheduler(limits, self.metrics)
        self.readiness = Readiness(self.pool, self.scheduler)
        self._admission = Admission(settings.max_queue_requests, settings.max_body_bytes)
        self.downloads = Downloads(protocol.most_files_sent())
        self._workers = Workers()
        self.indexes = searching.Indexes(settings.indexes)
        self._bodies: set[asyncio.Timeout] = set()  # of requests whose body is awaited
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def active(self) -> int:
        """Requests being answered."""
        return self._admission.requests

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self.scheduler.snapshot().draining

    async def start(self) -> None:
        """Begins to take requests; loads what is to be loaded in the background."""
        self.pool.start()
        self.scheduler.start()
        if self.settings.load != "none":
            self.readiness.begin()
        if self.settings.load == "all":
            self._in_background(self._load_all())

    async def close(self) -> None:
        """Stops at once; drain first."""
        for task in self._background:
            task.cancel()
        await self.readiness.close()
        await self.scheduler.close()
        with suppress(TimeoutError):  # an engine that hangs cannot be closed
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.pool.close()
        self._workers.close()
        self.indexes.close()

    async def load(self, name: str) -> None:
        """Loads a model now. Raises as Pool.load."""
        await self.pool.load(name)

    def drain(self) -> None:
        """Takes no new work from now on; `active` falls to 0 when what was taken is finished."""
        self._in_background(self.scheduler.drain())
        while self._bodies:
            self._bodies.pop().reschedule(0)

    async def rerank(self, request: Request) -> bytes:
        """The body of the response to a rerank or score request. Raises YesrankError or ClientGone."""
        return await self._whole(request, self._answer)

    async def search(self, request: Request) -> bytes:
        """The same to a search in an index of files."""
        return await self._whole(request, self._search)

    async def embed(self, request: Request) -> bytes:
        """The same to a request for vectors."""
        return await self._whole(request, self._embed)

    @property
    def embeds(self) -> bool:
        """Whether any model makes vectors."""
        return self.pool.first(embeds=True) is not None

    async def _whole(self, request: Request, answer: Callable[..., Coroutine[Any, Any, bytes]]) -> bytes:
        settings, record = self.settings, record_of(request)
        end = time.monotonic() + settings.timeout
        with tracing.whole(record, request.headers), self._admission.enter() as place:
            self.scheduler.check()
            raw = await self._read(request, place)
            record.line.bytes = len(raw)
            path = local_path(request.scope)
            remaining = end - time.monotonic()
            return await while_wanted(
                request, answer(record, path, request.headers, raw, remaining), remaining + _MARGIN
            )

    async def pack(self, made: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """An answer as it is sent, and its headers: packed where it is large and the client can unpack it."""
        if len(made) < packing.WORTH or not packing.wants_gzip(accept_encoding):
            return made, {"Vary": "Accept-Encoding"}
        return await self._workers.run(True, lambda: packing.pack(made)), packing.PACKED

    async def _read(self, request: Request, place: Place) -> bytes:
        """The body. When the server ends it is not waited for: its work would be refused."""
        settings = self.settings
        try:
            async with asyncio.timeout(None) as waiting:
                self._bodies.add(waiting)
                seconds = min(settings.body_timeout, settings.timeout)
                return await body.read(request, place, settings.max_body_bytes, seconds)
        except TimeoutError:
            raise Draining("the server is shutting down", retry_after=1) from None
        finally:
            self._bodies.discard(waiting)

    async def _answer(
        self, record: Record, path: str, headers: Mapping[str, str], raw: bytes, seconds: float
    ) -> bytes:
        deadline = asyncio.get_running_loop().time() + seconds
        dialect, parsed = await self._parse(record, path, headers, raw)
        spec = self.pool.find(parsed.model).spec
        asked = await self._workers.run(answering.is_slow(parsed), lambda: parsed.plain(own_template(spec)))
        record.notes = asked.notes
        scored = await self._score(record, asked, deadline)
        return await self._render(record, dialect, parsed, scored)

    async def _embed(
        self, record: Record, path: str, headers: Mapping[str, str], raw: bytes, seconds: float
    ) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with tracing.span("parse", record):
            decoded, _ = await answering.decode(raw, self._workers, self.settings)
            dialect = embed.recognise(path, decoded)
            record.dialect, record.line.dialect = dialect.faults, dialect.name
            parsed = await self._workers.run(
                len(raw) > answering.SLOW_CHARACTERS, lambda: dialect.parse(decoded)
            )
            embedding.check_size(parsed, self.settings)
            record.line.documents, record.notes = len(parsed.inputs), parsed.notes
        name = self._embedder(parsed.model)
        record.line.model = name
        self.scheduler.check(len(parsed.inputs))
        async with self.pool.use(name, deadline=deadline) as handle:
            embedder = handle.embedder
            begun = loop.time()
            with tracing.span("tokenize", record):
                prompts = await embedding.tokenize(embedder, parsed, self.pool.tokenizers)
            self.metrics.tokenize_seconds.observe(loop.time() - begun)
            with tracing.span("score", record):
                answer = await self.scheduler.score(handle, prompts, deadline=deadline)
            self._told(record, answer)
            self._count(record, _Scored(name, whole(prompts), answer))
            with tracing.span("render", record):
                return await self._workers.run(
                    embedding.is_slow(parsed),
                    lambda: embedding.render(
                        dialect, parsed, embedder, prompts, answer.logits, record.id, name
                    ),
                )

    def _embedder(self, name: str | None) -> str:
        """The model that makes the vectors. Raises ModelNotFound, InputError for a reranker's name."""
        first = self.pool.first(embeds=True)
        try:
            found = self.pool.find(name) if name is not None else first
        except ModelNotFound:
            if self.settings.unknown_model == "refuse":
                raise
            found = first
        if found is None or not found.spec.embeds:
            raise InputError("model", embed.MESSAGE, embed.HINT)
        return found.name

    def _ranker(self, name: str | None) -> str:
        """The model that ranks: the default one, or the first that does, where none is named.

        Raises ModelNotFound, InputError for an embedding model's name.
        """
        found = self.pool.find(name)
        if name is None and found.spec.embeds:
            found = self.pool.first(embeds=False) or found
        if found.spec.embeds:
            raise InputError(
                "model",
                "is an embedding model: it makes vectors and ranks nothing",
                "send texts to /v1/embeddings",
            )
        return found.name

    async def _search(
        self, record: Record, path: str, headers: Mapping[str, str], raw: bytes, seconds: float
    ) -> bytes:
        deadline = asyncio.get_running_loop().time() + seconds
        record.line.dialect = searching.NAME
        decoded, _ = await answering.decode(raw, self._workers, self.settings)
        asked = searching.parse(decoded)
        answering.check_size(asked.judged([]), self.settings)
        spec = self.pool.find(self._ranker(asked.model)).spec if asked.rerank else None
        index = await self._workers.run(True, lambda: self.indexes.open(asked.index))

        async def judge(request: RerankRequest) -> FloatArray:
            record.line.documents = (record.line.documents or 0) + len(request.documents)
            scored = await self._score(record, request, deadline)
            self._count(record, scored)
            return scored.answer.logits

        fused = spec is not None and spec.name == BUILTIN
        answer = await searching.run(index, asked, self._workers, judge, fused=fused)
        return answering.encode(searching.render(asked, answer, index.name, spec.name if spec else None))

    async def _parse(
        self, record: Record, path: str, headers: Mapping[str, str], raw: bytes
    ) -> tuple[Dialect, RerankRequest]:
        with tracing.span("parse", record):
            kind = headers.get("content-type", "")
            decoded, read = await answering.decode(raw, self._workers, self.settings, kind)
            record.dialect = dialect = recognise(path, decoded, headers, self._shape(decoded))
            record.line.dialect = dialect.name
            slow = len(raw) > answering.SLOW_CHARACTERS
            parsed = await self._workers.run(slow, lambda: dialect.parse(decoded))
            answering.check_size(parsed, self.settings)
            parsed = replace(parsed, notes=(*read, *parsed.notes)) if read else parsed
            if parsed.model is None and (named := model_in(path)) is not None:
                parsed = replace(parsed, model=named)
            parsed = self._with_known_model(parsed)
            record.line.documents = len(parsed.documents)
        return dialect, parsed

    def _shape(self, decoded: Any) -> str:
        """The shape of an answer where the body could be of several services: the model's, else the server's."""
        name = decoded.get("model") if isinstance(decoded, dict) else None
        with suppress(ModelNotFound):
            return (
                self.pool.find(name if isinstance(name, str) and name else None).spec.shape
                or self.settings.shape
            )
        return self.settings.shape

    def _with_known_model(self, parsed: RerankRequest) -> RerankRequest:
        """The request for the default model where it names none that there is, if the settings say so."""
        if self.settings.unknown_model == "refuse":
            return parsed
        try:
            self.pool.find(parsed.model)
        except ModelNotFound:
            return replace(parsed, model=None, notes=(*parsed.notes, _DEFAULT_ANSWERS))
        return parsed

    async def _score(self, record: Record, parsed: RerankRequest, deadline: float) -> _Scored:
        line, loop = record.line, asyncio.get_running_loop()
        name = line.model = self._ranker(parsed.model)
        self.scheduler.check(
            len(parsed.documents)
        )  # each has a token at least: spares tokenising for a full queue
        async with AsyncExitStack() as stack:
            with tracing.span("model", record):
                handle = await stack.enter_async_context(self.pool.use(name, deadline=deadline))
            begun = loop.time()
            with tracing.span("tokenize", record):
                parts = await self.pool.prompts(handle, parsed)
            self.metrics.tokenize_seconds.observe(loop.time() - begun)
            with tracing.span("score", record):
                answer = await self.scheduler.score(handle, parts.prompts, deadline=deadline)
        self._told(record, answer)
        return _Scored(handle.name, parts, answer)

    async def _render(
        self, record: Record, dialect: Dialect, parsed: RerankRequest, scored: _Scored
    ) -> bytes:
        parts, answer = scored.parts, scored.answer
        with tracing.span("render", record):
            made = await self._workers.run(
                answering.is_slow(parsed),
                lambda: answering.render(dialect, parsed, parts, answer, record.id, scored.model),
            )
        self._count(record, scored)
        return made

    def _told(self, record: Record, answer: Answer) -> None:
        record.line.ms["queue"] = round(answer.queue_seconds * 1e3, 2)
        record.line.ms["infer"] = round(answer.inference_seconds * 1e3, 2)

    def _count(self, record: Record, scored: _Scored) -> None:
        parts, line = scored.parts, record.line
        tokens, cut = sum(map(len, parts.prompts)), len(parts.cut)
        line.tokens, line.truncated = (line.tokens or 0) + tokens, (line.truncated or 0) + cut
        self.metrics.answered(scored.model, len({*parts.owners}), tokens, tokens - scored.answer.tokens, cut)

    def _now(self) -> Now:
        queue = self.scheduler.snapshot()
        return Now(
            queue_tokens=queue.tokens,
            queue_requests=queue.requests,
            active_requests=self.active,
            tokens_per_second=queue.tokens_per_second,
            ready=self.readiness.problem() is None,
            draining=queue.draining,
            models=tuple((status.name, str(status.state)) for status in self.pool.states()),
        )

    async def _load_all(self) -> None:
        for status in self.pool.states():
            await asyncio.gather(self.pool.load(status.name), return_exceptions=True)  # the pool logs why

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
