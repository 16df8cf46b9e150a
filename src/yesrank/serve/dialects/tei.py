"""Text Embeddings Inference: a bare array of every text, best first.

No key is added: typed clients of this API read the array into fixed records.
"""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "tei"
_OWN = ("query", "texts", "return_text", "top_n", "top_k")


def parse(body: Any) -> RerankRequest:
    """A top_n is checked and then left alone: TEI answers with all texts, and its clients count on that."""
    fields = read.as_object(body)
    query = texts.query(fields)
    documents = texts.documents(fields, "texts")
    options.count(fields, "top_n", "top_k")
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=documents,
        **options.shared(fields, _OWN),
        options={
            "raw_scores": options.raw_scores(fields),
            "return_text": read.flag(fields, "return_text") or False,
        },
    )


def render(request: RerankRequest, result: RerankResult) -> list[dict[str, Any]]:
    """[{index, score, text?}]."""
    return [_result(request, scored) for scored in ranking.best_first(request, result)]


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"index": scored.index, "score": ranking.number(request, scored)}
    if request.options.get("return_text"):
        row["text"] = request.documents[scored.index]
    return row


TEI = Dialect(NAME, parse, render, errorbodies.tei)
