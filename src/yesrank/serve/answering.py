"""One rerank request, from its bytes to the bytes of its answer."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from yesrank import head
from yesrank.models.windows import Windows
from yesrank.serve.dialects import Dialect
from yesrank.serve.http import body, uploads
from yesrank.serve.http.body import Refused
from yesrank.serve.queue.scheduler import Answer
from yesrank.serve.requests import RerankRequest, RerankResult, Scored
from yesrank.serve.settings import Settings

T = TypeVar("T")
SLOW_DOCUMENTS, SLOW_CHARACTERS = 64, 50_000
_THREADS = 2
_VALUES, _VALUES_A_DOCUMENT = 1000, 20  # members of a body: documents may be objects, whose fields come back


@dataclass(slots=True)
class Workers:
    """A few threads for what would hold up the event loop: parsing and rendering of large requests."""

    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="yesrank-text")
    )

    async def run(self, slow: bool, function: Callable[[], T]) -> T:
        """The function's result: from a thread if it is slow, else at once."""
        if not slow:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self.pool, function)

    def close(self) -> None:
        """What runs is left to end by itself."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def check_size(request: RerankRequest, settings: Settings) -> None:
    """Raises Refused for more documents or more text than one request may have."""
    if len(request.documents) > settings.max_documents:
        raise Refused(
            413,
            f"{len(request.documents)} documents are more than the {settings.max_documents} of one request",
            "send fewer at a time",
        )
    # a document is cut before it is tokenised, however long it is; a query never is, and no model takes so long a one
    longest = settings.max_query_characters
    if max(map(len, (*request.queries, request.instruction or ""))) > longest:
        raise Refused(413, f"a query or instruction is longer than {longest} characters", "shorten it")
    if characters(request) > settings.max_characters:
        raise Refused(
            413,
            f"the texts are longer than {settings.max_characters} characters in all",
            "send fewer at a time",
        )


def characters(request: RerankRequest) -> int:
    """Characters of all documents and queries."""
    return sum(map(len, request.documents)) + sum(map(len, request.queries))


def is_slow(request: RerankRequest) -> bool:
    """Whether working on its text takes more than about a millisecond."""
    return len(request.documents) > SLOW_DOCUMENTS or characters(request) > SLOW_CHARACTERS


def render(
    dialect: Dialect,
    request: RerankRequest,
    parts: Windows,
    answer: Answer,
    request_id: str,
    model: str,
) -> bytes:
    """The body of the response."""
    best = parts.best(answer.logits)
    logits = answer.logits[best]
    results = tuple(
        Scored(index, score, logit, index in parts.cut, parts.spans[row])
        for index, (score, logit, row) in enumerate(
            zip(head.scores(logits).tolist(), logits.tolist(), best.tolist(), strict=True)
        )
    )
    result = RerankResult(request_id, model, results, sum(map(len, parts.prompts)), int(time.time()))
    return encode(dialect.render(request, result))


def encode(data: Any) -> bytes:
    """JSON; NaN is never among it, since no answer may hold one."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


async def decode(
    raw: bytes, workers: Workers, settings: Settings, content_type: str = ""
) -> tuple[Any, tuple[str, ...]]:
    """The body as JSON, or the form that it is; and notes on how its files were read. Raises InputError, Refused."""
    slow, most = len(raw) > SLOW_CHARACTERS, settings.max_documents
    if uploads.is_form(content_type):
        form = await workers.run(slow, lambda: uploads.read_form(raw, content_type, most))
        return form.members, form.notes
    values = _VALUES_A_DOCUMENT * most + _VALUES
    return await workers.run(slow, lambda: body.decode(raw, values)), ()
