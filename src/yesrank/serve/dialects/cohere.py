"""Cohere v1 and v2, Jina, infinity, vLLM's and llama.cpp's rerank: one family, told apart by a few defaults.

The response holds what each of them reads: results, usage (Jina, vLLM), meta (Cohere), id, model, object. Its
clients ignore keys that they do not know, so a document that was cut says `"truncated": true`.

Whether documents come back when the body does not say: Cohere v1 no, v2 no, infinity no, Jina yes. On a shared
path nothing tells Jina from Cohere v1, so the answer there is no: it is smaller, and no listed client needs the
text unless it asks. A body with one of Jina's own fields gets Jina's default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect, ErrorRenderer
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

DOCUMENTS_A_UNIT = 100
"""Cohere bills one search for a query with up to this many documents."""
EXPECTED = (
    "send query and documents (Cohere, Jina, Voyage, vLLM, OpenArc), query and texts (TEI), "
    "query and input (Mixedbread), or text_1 and text_2 (score)"
)
"""For a body that fits no dialect: such bodies end up here."""
_OWN = ("query", "documents", "rank_fields", "return_documents", "top_n", "top_k", *options.THRESHOLDS)
JINA_ONLY = frozenset({"return_embeddings", "max_doc_length", "max_query_length"})


@dataclass(frozen=True, slots=True)
class _Variant:
    """api_version: as in Cohere's meta. returns: documents by default. bare: a document comes back as a string.

    always: documents come back whatever the body says.
    """

    name: str
    api_version: str = "1"
    returns: bool = False
    bare: bool = False
    always: bool = False


def _parse(variant: _Variant, body: Any) -> RerankRequest:
    fields = read.as_object(body)
    if fields.get("documents") is None:
        raise InputError("documents", "is missing", EXPECTED)
    query = texts.query(fields)
    documents = texts.documents(fields, keys=texts.rank_fields(fields))
    wanted = read.flag(fields, "return_documents")
    returns = variant.always or (variant.returns if wanted is None else wanted)
    return RerankRequest(
        dialect=variant.name,
        queries=(query,),
        documents=documents,
        **options.shared(fields, _OWN),
        top_n=options.count(fields, "top_n", "top_k"),
        options={
            "raw_scores": options.raw_scores(fields),
            "threshold": options.threshold(fields),
            "documents": _returned(variant, fields, documents) if returns else None,
        },
    )


def _returned(variant: _Variant, fields: Mapping[str, Any], documents: tuple[str, ...]) -> tuple[Any, ...]:
    return documents if variant.bare else texts.echo(fields["documents"])


def _render(variant: _Variant, request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    units = -(-len(request.documents) // DOCUMENTS_A_UNIT)
    return {
        "id": result.request_id,
        "object": "rerank",
        "created": result.created,
        "model": result.model,
        "results": [_result(request, scored) for scored in ranking.best_first(request, result)],
        "usage": {
            **ranking.usage(result),
            "completion_tokens": 0,
        },  # Together's clients refuse an answer without it
        "meta": {
            "api_version": {"version": variant.api_version},
            "billed_units": {"search_units": units},
            "tokens": {"input_tokens": result.tokens, "output_tokens": 0},
        },
    }


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "relevance_score": ranking.number(request, scored)}
    returned = request.options.get("documents")
    if returned is not None:
        row["document"] = returned[scored.index]
    if scored.truncated:
        row["truncated"] = True
    if scored.passage is not None:
        row["passage"] = [*scored.passage]
    return row


def _dialect(variant: _Variant, error: ErrorRenderer = errorbodies.cohere) -> Dialect:
    return Dialect(variant.name, partial(_parse, variant), partial(_render, variant), error)


COHERE_V1 = _dialect(_Variant("cohere-v1"))
COHERE_V2 = _dialect(_Variant("cohere-v2", api_version="2"))
JINA = _dialect(_Variant("jina", returns=True), errorbodies.common)
INFINITY = _dialect(_Variant("infinity", bare=True))
OPENROUTER = _dialect(_Variant("openrouter", returns=True, always=True), errorbodies.numbered)
