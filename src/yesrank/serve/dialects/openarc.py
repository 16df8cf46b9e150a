"""OpenArc: `prefix` and `suffix` in, ranked documents with their texts out. `index` is the rank, as OpenArc has it."""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult

NAME = "openarc"


def parse(body: Any) -> RerankRequest:
    """prefix and suffix are checked and then left alone: the template is the model's, stated once in its folder."""
    fields = read.as_object(body)
    query = texts.query(fields)
    documents = texts.documents(fields)
    for name in ("prefix", "suffix"):
        read.string(fields, name)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=documents,
        model=read.string(fields, "model"),
        instruction=options.instruction(fields),
        top_n=read.at_most(fields, "top_n"),
        max_tokens_per_doc=read.at_most(fields, "max_tokens_per_doc"),
        truncate=options.truncate(fields),
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
