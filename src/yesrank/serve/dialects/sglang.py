"""SGLang's rerank: Cohere's body with `instruct`, a bare list with score and document out.

Nothing in the body tells it from Cohere's: it is asked for by name, in the path, the body or the settings.
"""

from typing import Any

from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

NAME = "sglang"
_OWN = ("query", "documents", "top_n", "return_documents")


def parse(body: Any) -> RerankRequest:
    """Documents come back unless return_documents is false."""
    fields = read.as_object(body)
    query = texts.query(fields)
    return RerankRequest(
        dialect=NAME,
        queries=(query,),
        documents=texts.documents(fields),
        **options.shared(fields, _OWN),
        top_n=options.count(fields, "top_n"),
        options={
            "raw_scores": options.raw_scores(fields),
            "return_documents": read.flag(fields, "return_documents") is not False,
        },
    )


def render(request: RerankRequest, result: RerankResult) -> list[dict[str, Any]]:
    """[{score, document?, index}]; a document is a string."""
    return [_result(request, scored) for scored in ranking.best_first(request, result)]


def _result(request: RerankRequest, scored: Scored) -> dict[str, Any]:
    row: dict[str, Any] = {"score": ranking.number(request, scored), "index": scored.index}
    if request.options.get("return_documents"):
        row["document"] = request.documents[scored.index]
    return row


SGLANG = Dialect(NAME, parse, render, errorbodies.vllm)
