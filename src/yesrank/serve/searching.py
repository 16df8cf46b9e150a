"""A search over HTTP: which indexes may be searched, the body, and the steps beside the event loop."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from yesrank.errors import IndexNotFound, InputError
from yesrank.search import Answer, Asked, Index, ranked
from yesrank.search.ranking import CANDIDATES, TOP, Steps
from yesrank.serve.answering import Workers
from yesrank.serve.dialects import fields
from yesrank.serve.requests import RerankRequest
from yesrank.types import FloatArray

_FIELDS = ("query", "index", "top", "candidates", "rerank", "model", "instruction")
NAME = "search"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a body asks. index: None where the server has a single one."""

    query: str
    index: str | None
    top: int
    candidates: int
    rerank: bool
    model: str | None
    instruction: str | None

    def judged(self, texts: list[str]) -> RerankRequest:
        """The request to the model for the texts of one step."""
        return RerankRequest(
            NAME, (self.query,), tuple(texts), model=self.model, instruction=self.instruction, as_text=True
        )


class Indexes:
    """The indexes that a server may search, opened when they are first asked for."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._open: dict[str, Index] = {}
        self._lock = Lock()

    def open(self, name: str | None) -> Index:
        """Raises IndexNotFound, InputError, or as Index; not on the event loop: it reads the disk."""
        if not self.names:
            raise IndexNotFound("this server searches no index", "start it with: yesrank serve --index NAME")
        if name is None and len(self.names) > 1:
            raise InputError("index", "is missing", f"use one of: {', '.join(self.names)}")
        chosen = self.names[0] if name is None else name
        if chosen not in self.names:
            raise IndexNotFound(
                f"this server searches no index {chosen!r}", f"it searches {', '.join(self.names)}"
            )
        with self._lock:
            found = self._open.get(chosen)
            if found is None or found.gone:  # deleted, or made anew
                if found is not None:
                    found.close()
                found = self._open[chosen] = Index(chosen)
        return found

    def close(self) -> None:
        """Closes all."""
        with self._lock:
            for each in self._open.values():
                each.close()
            self._open.clear()


def parse(decoded: Any) -> SearchRequest:
    """Raises InputError, which names the field."""
    body = fields.as_object(decoded)
    unknown = sorted(name for name in body if name not in _FIELDS)
    if unknown:
        raise InputError(str(unknown[0]), "is not known here", f"the fields are: {', '.join(_FIELDS)}")
    query = fields.string(body, "query")
    if query is None:
        raise InputError("query", "is missing or empty", 'send {"query": "..."}')
    rerank = fields.flag(body, "rerank")
    return SearchRequest(
        query,
        fields.string(body, "index"),
        _count(body, "top", TOP),
        _count(body, "candidates", CANDIDATES),
        rerank is not False,
        fields.string(body, "model"),
        fields.string(body, "instruction"),
    )


async def run(
    index: Index,
    request: SearchRequest,
    workers: Workers,
    judge: Callable[[RerankRequest], Awaitable[FloatArray]],
    *,
    fused: bool,
) -> Answer:
    """All steps: what reads the index on a thread, the model in its queue. Raises as the steps and `judge`."""
    asked = Asked(request.query, request.top, request.candidates, request.rerank, fused=fused)
    steps = ranked(index, asked)
    told: FloatArray | None = None
    while True:
        texts, answer = await workers.run(True, lambda told=told: _next(steps, told))  # type: ignore[misc]
        if answer is not None:
            return answer
        told = await judge(request.judged(texts))


def render(request: SearchRequest, answer: Answer, index: str, model: str | None) -> Mapping[str, Any]:
    """The body of the response."""
    return {
        "object": "search",
        "query": request.query,
        "index": index,
        "model": model,
        "candidates": answer.candidates,
        "fused": answer.fused,
        "results": [found.as_data() for found in answer.found],
    }


def _next(steps: Steps, told: FloatArray | None) -> tuple[list[str], Answer | None]:
    """The texts of the next step, or the answer: a generator's end cannot leave a thread as it is."""
    try:
        return (next(steps) if told is None else steps.send(told)), None
    except StopIteration as end:
        return [], end.value


def _count(body: Mapping[str, Any], name: str, usual: int) -> int:
    found = fields.whole(body, name, at_least=1)
    return usual if found is None else found
