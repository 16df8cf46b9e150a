"""Texts of a request -> prompts, on threads beside the event loop."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import groupby
from typing import Any

from yesrank.errors import InputError, TooLong
from yesrank.models.windows import BEST, Windows, joined, whole
from yesrank.serve.models.handle import Scorer
from yesrank.serve.requests import RerankRequest

# a chunk is one job of the thread pool, so that large requests let others in between
_CHUNK_DOCUMENTS, _CHUNK_CHARACTERS = 256, 250_000  # of the latter a document may have more


async def tokenize(scorer: Scorer, request: RerankRequest, executor: Executor) -> Windows:
    """One prompt a document, in order; or windows of those that are too long, where the request asks for them.

    Raises InputError: for a query that leaves no room, for documents[i] that does not fit where request.truncate is
    False, for as many queries as neither one nor the documents.
    """
    queries, documents = request.queries, request.documents
    if len(queries) not in (1, len(documents)):
        raise InputError("queries", f"there are {len(queries)} for {len(documents)} documents")
    loop = asyncio.get_running_loop()
    parts: list[Windows] = []
    for begin, end in _chunks(documents):
        parts += await loop.run_in_executor(executor, _chunk, scorer, request, begin, end)
    return joined(parts)


def _chunks(documents: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """(begin, end) of each. A request without documents is one too: its query is checked."""
    begin = size = 0
    for index, document in enumerate(documents):
        size += len(document)
        if index - begin == _CHUNK_DOCUMENTS or (index > begin and size > _CHUNK_CHARACTERS):
            yield begin, index
            begin, size = index, len(document)
    yield begin, len(documents)


def _chunk(scorer: Scorer, request: RerankRequest, begin: int, end: int) -> list[Windows]:
    parts: list[Windows] = []
    for query, instruction, first, last in _runs(request, begin, end):
        limits: dict[str, Any] = {
            "instruction": instruction,
            "max_document_tokens": request.max_tokens_per_doc,
            **_limits(request),
        }
        documents = request.documents[first:last]
        if request.long == BEST:
            parts.append(scorer.windows(query, documents, most=request.max_passages, **limits))
        else:
            parts.append(whole(scorer.prompts(query, documents, **limits)))
        if not request.truncate:
            _check_whole(parts[-1], first)
    return parts


def _runs(request: RerankRequest, begin: int, end: int) -> Iterator[tuple[str, str | None, int, int]]:
    """(query, instruction, first, last) of neighbours with the same query and instruction."""
    own = request.instructions or (None,) * len(request.queries)
    asked = [(query, each or request.instruction) for query, each in zip(request.queries, own, strict=True)]
    if len(asked) == 1:
        yield *asked[0], begin, end
        return
    for (query, instruction), indices in groupby(range(begin, end), asked.__getitem__):
        run = list(indices)
        yield query, instruction, run[0], run[-1] + 1


def _limits(request: RerankRequest) -> dict[str, int]:
    """What few requests ask for."""
    limits = {"max_length": request.max_length, "max_query_tokens": request.max_query_tokens}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _check_whole(part: Windows, first: int) -> None:
    for index in sorted(part.cut):
        raise TooLong(
            f"documents[{first + index}]",
            "is longer than the model or the request's limit takes, and truncation is switched off",
            "shorten the document, or allow truncation",
        )
