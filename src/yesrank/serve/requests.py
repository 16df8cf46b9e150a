"""What every dialect is parsed into and rendered from. Plain data: no framework, no engine.

body ─ dialect.parse ─► RerankRequest ─ rooms below ─► RerankResult ─ dialect.render ─► body
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """One request, whatever shape it had.

    queries: one for all documents, or one for each (N:N scoring). model: as the client wrote it, None for the
    default. instruction: None for the model's own. top_n: None for all. max_tokens_per_doc: cap on a document's own
    tokens. truncate: False makes a document that does not fit an error. options: what only the dialect's render
    needs (whether to return documents or raw logits, the caller's documents as they came).
    """

    dialect: str
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    model: str | None = None
    instruction: str | None = None
    top_n: int | None = None
    max_tokens_per_doc: int | None = None
    truncate: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scored:
    """One document's result. index: its position in the request."""

    index: int
    score: float
    logit: float
    truncated: bool


@dataclass(frozen=True, slots=True)
class RerankResult:
    """All documents of a request in its own order, with what usage fields need.

    model: the name that answered. tokens: prompt tokens computed or taken from a cache. created: Unix seconds.
    """

    request_id: str
    model: str
    results: tuple[Scored, ...]
    tokens: int
    created: int
