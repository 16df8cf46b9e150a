"""OpenArc: `prefix` and `suffix` in, ranked documents with their texts out. `index` is the rank, as OpenArc has it."""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult

NAME = "openarc"
_OWN = ("query", "documents", "top_n", "top_k")


def parse(body: Any) -> RerankRequest:
    """prefix and suffix may be those of the model's template, which is stated once in its folder, and no others."""
    fields = read.as_object(body)
    query = texts.query(fields)
    documents = texts.documents(fields)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=documents,
        **options.shared(fields, _OWN),
        top_n=options.count(fields, "top_n", "top_k"),
        options={"raw_scores": options.raw_scores(fields)},
    )


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{id, object, created, model, data: [{index, object, ranked_documents: {doc, score}}], usage}."""
    rows = [
        {"doc": request.documents[scored.index], "score": ranking.number(request, scored)}
        for scored in ranking.best_first(request, result)
    ]
    return {
        "id": result.request_id,
        "object": "list",
        "created": result.created,
        "model": result.model,
        "data": [
            {"index": rank, "object": "ranked_documents", "ranked_documents": row}
            for rank, row in enumerate(rows)
        ],
        "usage": ranking.usage(result),
    }


OPENARC = Dialect(NAME, parse, render, errorbodies.common)
