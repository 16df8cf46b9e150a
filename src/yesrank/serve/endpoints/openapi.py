"""What /openapi.json says about bodies: they are read by the dialects, not by FastAPI, so it is written down here.

Every example runs as it stands against a server with any model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from yesrank.serve.endpoints.embedschemas import EMBED_SCHEMAS
from yesrank.serve.endpoints.embedschemas import embed as embed_schemas
from yesrank.serve.endpoints.schemas import SCHEMAS, ref
from yesrank.serve.http.auth import OPEN_PATHS
from yesrank.serve.http.page import is_public

QUERY = "What is the capital of France?"
DOCUMENTS = ["Berlin is the capital of Germany.", "The capital of France is Paris.", "Bananas are yellow."]
_KEYS: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
_CITIES: dict[str, Any] = {"query": QUERY, "documents": DOCUMENTS}
_USAGE = {"prompt_tokens": 231, "total_tokens": 231}


@dataclass(frozen=True, slots=True)
class Shape:
    """What one path takes and answers, by the names of SCHEMAS. lists: the answer is a list of such objects.

    examples: name -> a summary and a body. answer: one that may come back.
    """

    request: str
    response: str
    answer: Any
    examples: Mapping[str, tuple[str, dict[str, Any]]]
    lists: bool = False


_BEST = [{"index": 1, "relevance_score": 0.98}, {"index": 0, "relevance_score": 0.31}]
COHERE = Shape(
    "RerankRequest",
    "RerankResponse",
    {"id": "6c1b…", "object": "rerank", "model": "builtin", "results": _BEST, "usage": _USAGE},
    {
        "cohere": ("Cohere, Jina, vLLM", {**_CITIES, "top_n": 2}),
        "instruction": (
            "With an instruction, and the documents sent back",
            {
                "query": "capital cities",
                "documents": DOCUMENTS,
                "instruction": "Find passages that name a capital city",
                "return_documents": True,
            },
        ),
    },
)
TEI = Shape(
    "TeiRerankRequest",
    "TeiRank",
    [{"index": 1, "score": 0.98}, {"index": 0, "score": 0.31}, {"index": 2, "score": 0.01}],
    {"tei": ("Text Embeddings Inference", {"query": QUERY, "texts": DOCUMENTS})},
    lists=True,
)
VOYAGE = Shape(
    "VoyageRerankRequest",
    "VoyageRerankResponse",
    {"object": "list", "data": _BEST, "model": "builtin", "usage": {"total_tokens": 231}},
    {"voyage": ("Voyage", {**_CITIES, "top_k": 2})},
)
NVIDIA = Shape(
    "RankingRequest",
    "RankingResponse",
    {"rankings": [{"index": 1, "logit": 3.9}, {"index": 0, "logit": -0.8}], "usage": _USAGE},
    {"nvidia": ("NVIDIA", {"query": {"text": QUERY}, "passages": [{"text": text} for text in DOCUMENTS]})},
)
DASHSCOPE = Shape(
    "DashscopeRequest",
    "DashscopeResponse",
    {"request_id": "6c1b…", "code": "", "output": {"results": _BEST}, "usage": {"total_tokens": 231}},
    {"dashscope": ("DashScope", {"input": _CITIES, "parameters": {"top_n": 2}})},
)
SCORE = Shape(
    "ScoreRequest",
    "ScoreResponse",
    {
        "object": "list",
        "model": "builtin",
        "data": [{"index": 0, "object": "score", "score": 0.31}],
        "usage": _USAGE,
    },
    {"vllm": ("vLLM", {"text_1": QUERY, "text_2": DOCUMENTS})},
)
_STATUSES = {
    "400": "The body is not a JSON object in UTF-8, a field is missing or wrong, or Host is not a name",
    "401": "The API key is missing or wrong",
    "403": "The server is not known by the name in Host, or a web page of another origin asked",
    "404": "No model has that name",
    "408": "The body did not arrive in time",
    "413": "The body, its documents or their text are too much for one request",
    "415": "The body is compressed otherwise than by gzip",
    "422": "A field is missing or wrong, in the shapes of services that say 422; `field` names it",
    "429": "The queue is full, or too many files are being sent; Retry-After says when to try again",
    "500": "The model failed on this request",
    "503": "A model is being loaded, or the server is ending; Retry-After says when to try again",
    "504": "The time for one request is over",
}


def of(shape: Shape) -> dict[str, Any]:
    """A path that takes that shape."""
    examples = {name: {"summary": said, "value": body} for name, (said, body) in shape.examples.items()}
    media = {"application/json": {"schema": ref(shape.request), "examples": examples}}
    answer = {"type": "array", "items": ref(shape.response)} if shape.lists else ref(shape.response)
    good = {
        "description": "Scores, best first; a body in another shape is answered in that one",
        "content": {"application/json": {"schema": answer, "example": shape.answer}},
    }
    return {"requestBody": {"required": True, "content": media}, "responses": {"200": good, **errors()}}


def search() -> dict[str, Any]:
    """Of the search in an index of files. No example that can be sent: it takes an index that a server may search."""
    media = {"application/json": {"schema": ref("SearchRequest")}}
    good = {
        "description": "Passages, best first, with their places; an empty list where nothing was found",
        "content": {"application/json": {"schema": ref("SearchResponse")}},
    }
    return {"requestBody": {"required": True, "content": media}, "responses": {"200": good, **errors()}}


def embed(path: str) -> dict[str, Any]:
    """Of a route of embeddings. Its example runs where a model embeds."""
    request, answer, example = embed_schemas(path)
    media = {"application/json": {"schema": request, "example": example}}
    good = {
        "description": "Vectors, in the order of the texts",
        "content": {"application/json": {"schema": answer}},
    }
    return {"requestBody": {"required": True, "content": media}, "responses": {"200": good, **errors()}}


def errors(*only: str) -> dict[int | str, dict[str, Any]]:
    """The responses of errors, all or some."""
    content = {"application/json": {"schema": ref("Error")}}
    return {code: {"description": _STATUSES[code], "content": content} for code in only or _STATUSES}


def answers(name: str, *only: str) -> dict[int | str, dict[str, Any]]:
    """A 200 of that type, and some errors."""
    content = {"application/json": {"schema": ref(name)}}
    return {200: {"description": "It is so", "content": content}, **errors(*only)}


def document(app: FastAPI, *, keys: bool) -> dict[str, Any]:
    """The whole description. keys: whether clients must send one."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=app.servers,
    )
    found["components"] = {"schemas": {**SCHEMAS, **EMBED_SCHEMAS}}
    for path, operations in found["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):  # FastAPI's, for paths with names in them
                del responses["422"]
            if keys and not (path in OPEN_PATHS or is_public(path)):
                operation["security"] = [{name: []} for name in _KEYS]
    if keys:
        found["components"]["securitySchemes"] = _KEYS
    return found
