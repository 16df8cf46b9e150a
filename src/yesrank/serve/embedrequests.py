"""What every dialect of embeddings is parsed into and rendered from. Plain data: no framework, no engine.

body ─ dialect.parse ─► EmbedRequest ─ rooms below ─► EmbedResult ─ dialect.render ─► body
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yesrank.vectors import Vectors

Input = str | tuple[int, ...]
"""A text, or the token ids of one."""


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """One request, whatever shape it had.

    purpose: query, document, the name of another of the model's prompts, or None for its default one. instruction: the
    task of queries. dimensions: None for all. outputs: the types that are wanted, see yesrank.vectors. max_length: of a
    prompt; max_tokens: of a text. truncate: False makes a text that does not fit an error. options: what only the
    dialect's render needs. notes: what the caller is to be told.
    """

    dialect: str
    inputs: tuple[Input, ...]
    model: str | None = None
    purpose: str | None = None
    instruction: str | None = None
    dimensions: int | None = None
    outputs: tuple[str, ...] = ("float32",)
    max_length: int | None = None
    max_tokens: int | None = None
    truncate: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """The vectors of a request in its own order, by type, with what usage fields need.

    model: the name that answered. tokens: of all prompts, computed or not. created: Unix seconds.
    """

    request_id: str
    model: str
    vectors: Mapping[str, Vectors]
    tokens: int
    created: int
