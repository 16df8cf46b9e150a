"""Embedding routes: they exist, and say clearly that the model is a reranker."""

from typing import Any, NoReturn

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies
from yesrank.serve.dialects.base import Dialect, Fault

STATUS = 400
MESSAGE = "this model is a reranker: it scores a query with documents and makes no embeddings"
HINT = "send query and documents to /v1/rerank, or ask a server with an embedding model"


def refuse(*_: object) -> NoReturn:
    """In the place of parse and render: there is no body that could be answered."""
    raise InputError("model", MESSAGE, HINT)


OPENAI_EMBEDDINGS = Dialect("openai-embeddings", refuse, refuse, errorbodies.common)
TEI_EMBED = Dialect("tei-embed", refuse, refuse, errorbodies.tei)


def refusal(path: str, request_id: str | None = None) -> tuple[int, dict[str, Any]]:
    """Status and body, whatever was sent: TEI's shape on /embed, OpenAI's on /embeddings."""
    dialect = TEI_EMBED if path.lower().rstrip("/").endswith("/embed") else OPENAI_EMBEDDINGS
    return dialect.error(Fault(STATUS, MESSAGE, "model", HINT, request_id))
