"""What every dialect is parsed into and rendered from. Plain data: no framework, no engine.

body ─ dialect.parse ─► RerankRequest ─ rooms below ─► RerankResult ─ dialect.render ─► body
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from yesrank.errors import InputError
from yesrank.models.windows import CUT
from yesrank.prompt import TEMPLATES, Template
from yesrank.rendered import plain


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """One request, whatever shape it had.

    queries: one for all documents, or one for each (N:N scoring). model: as the client wrote it, None for the
    default. instruction: None for the model's own; instructions: one for each query, where queries brought them.
    top_n: None for all. max_tokens_per_doc: cap on a document's own tokens; max_length: on those of a whole prompt;
    max_query_tokens: a query of more is an error, for none is ever cut. truncate: False makes a document that does not
    fit an error. prefix, suffix: what the client takes for the template's. long: cut, or best-passage:
    a document that does not fit is judged in windows, max_passages at most. as_text: queries and documents are not
    looked at for a template. options: what only the dialect's render needs (whether to return documents or raw logits,
    the caller's documents as they came). notes: what the caller is to be told.
    """

    dialect: str
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    model: str | None = None
    instruction: str | None = None
    top_n: int | None = None
    instructions: tuple[str | None, ...] = ()
    max_tokens_per_doc: int | None = None
    max_query_tokens: int | None = None
    max_length: int | None = None
    truncate: bool = True
    long: str = CUT
    max_passages: int | None = None
    prefix: str | None = None
    suffix: str | None = None
    as_text: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def plain(self, template: Template | None = None) -> "RerankRequest":
        """The same, its texts taken out of a template that they came in: a published one, or the model's own.

        template: the latter, None where the model has a published one. Raises InputError (yesrank.rendered), also for a
        prefix or suffix that is not the template's.
        """
        templates = TEMPLATES.values() if template is None else (template,)
        _check("prefix", self.prefix, (each.prefix for each in templates))
        _check("suffix", self.suffix, (each.suffix for each in templates))
        if self.as_text:
            return self
        found = plain(self.queries, self.documents, instruction=self.instruction, template=template)
        if not any(found.instructions) and not found.notes:
            return self
        return replace(
            self,
            queries=found.queries,
            documents=found.documents,
            instructions=found.instructions,
            notes=(*self.notes, *found.notes),
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """One document's result. index: its position in the request. passage: where the window lies that it is of."""

    index: int
    score: float
    logit: float
    truncated: bool
    passage: tuple[int, int] | None = None


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


def _check(name: str, given: str | None, known: Iterable[str]) -> None:
    """White space around a text is not looked at."""
    if given and given.strip() not in {text.strip() for text in known}:
        raise InputError(
            name, "is not that of the model's template", "leave it out: the template belongs to the model"
        )
