"""What /openapi.json says about bodies: they are read by the dialects, not by FastAPI, so it is written down here.

Every example runs as it stands against a server with any model.
"""

from typing import Any

QUERY = "What is the capital of France?"
DOCUMENTS = ["Berlin is the capital of Germany.", "The capital of France is Paris.", "Bananas are yellow."]

_text = {"type": "string", "minLength": 1}
_document = {
    "oneOf": [{"type": "string"}, {"type": "object", "required": ["text"], "properties": {"text": _text}}]
}
_documents = {"type": "array", "minItems": 1, "items": _document}
_strings = {"type": "array", "minItems": 1, "items": {"type": "string"}}
_pairs = {"oneOf": [{"type": "string"}, _strings]}
_count = {"type": ["integer", "null"], "minimum": 0}
_flag = {"type": ["boolean", "null"]}
_model = {"type": ["string", "null"], "description": "A name from /v1/models; the first one when left out."}
_common = {
    "model": _model,
    "instruction": {
        "type": ["string", "null"],
        "description": "What makes a document relevant, in one sentence.",
    },
    "max_tokens_per_doc": _count,
    "raw_scores": {**_flag, "description": "Logits instead of probabilities."},
}

RERANK: dict[str, Any] = {
    "oneOf": [
        {
            "title": "Cohere, Jina, vLLM, Voyage, OpenArc",
            "type": "object",
            "required": ["query", "documents"],
            "properties": {
                "query": _text,
                "documents": _documents,
                "top_n": {**_count, "description": "The best so many; null and 0 for all."},
                "score_threshold": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": 1,
                    "description": "The least score that comes back; not for OpenArc.",
                },
                "return_documents": _flag,
                **_common,
            },
        },
        {
            "title": "Text Embeddings Inference",
            "type": "object",
            "required": ["query", "texts"],
            "properties": {
                "query": _text,
                "texts": _strings,
                "return_text": _flag,
                "truncate": _flag,
                **_common,
            },
        },
    ]
}
SCORE: dict[str, Any] = {
    "type": "object",
    "required": ["text_1", "text_2"],
    "properties": {"text_1": _text, "text_2": _pairs, **_common},
}
EMBED: dict[str, Any] = {"type": "object", "properties": {"input": _pairs, "inputs": _pairs}}
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["message", "detail", "error"],
    "properties": {
        "message": {"type": "string"},
        "detail": {"type": "string"},
        "error": {"type": ["object", "string"]},
        "field": {"type": "string"},
        "id": {"type": "string", "description": "The request's id, as in X-Request-Id and the log."},
    },
}

_RERANK_EXAMPLES: dict[str, Any] = {
    "cohere": {
        "summary": "Cohere, Jina, vLLM",
        "value": {"query": QUERY, "documents": DOCUMENTS, "top_n": 2},
    },
    "tei": {"summary": "Text Embeddings Inference", "value": {"query": QUERY, "texts": DOCUMENTS}},
    "voyage": {"summary": "Voyage", "value": {"query": QUERY, "documents": DOCUMENTS, "top_k": 2}},
    "instruction": {
        "summary": "With an instruction, and the documents sent back",
        "value": {
            "query": "capital cities",
            "documents": DOCUMENTS,
            "instruction": "Find passages that name a capital city",
            "return_documents": True,
        },
    },
}
_SCORE_EXAMPLES: dict[str, Any] = {
    "vllm": {"summary": "vLLM", "value": {"text_1": QUERY, "text_2": DOCUMENTS}}
}
_RERANKED: dict[str, Any] = {
    "id": "6c1b…",
    "object": "rerank",
    "model": "builtin",
    "results": [{"index": 1, "relevance_score": 0.98}, {"index": 0, "relevance_score": 0.31}],
    "usage": {"prompt_tokens": 231, "total_tokens": 231},
}
_SCORED: dict[str, Any] = {
    "object": "list",
    "model": "builtin",
    "data": [{"index": 0, "object": "score", "score": 0.31}],
    "usage": {"prompt_tokens": 77, "total_tokens": 77},
}
_STATUSES = {
    "400": "The body is not a JSON object in UTF-8, or Host is not a name",
    "401": "The API key is missing or wrong",
    "403": "The server is not known by the name in Host, or a web page of another origin asked",
    "404": "No model has that name",
    "408": "The body did not arrive in time",
    "413": "The body, its documents or their text are too much for one request",
    "415": "The body is compressed otherwise than by gzip",
    "422": "A field is missing or wrong; `field` names it",
    "429": "The queue is full, or too many files are being sent; Retry-After says when to try again",
    "500": "The model failed on this request",
    "503": "A model is being loaded, or the server is ending; Retry-After says when to try again",
    "504": "The time for one request is over",
}


def rerank() -> dict[str, Any]:
    """Of /rerank and its other paths."""
    return _operation(RERANK, _RERANK_EXAMPLES, _RERANKED)


def score() -> dict[str, Any]:
    """Of /score."""
    return _operation(SCORE, _SCORE_EXAMPLES, _SCORED)


def embed() -> dict[str, Any]:
    """Of the embedding routes, which only refuse."""
    found = _operation(EMBED, {"refused": {"value": {"input": "text"}}}, {})
    del found["responses"]["200"]
    return found


def _operation(schema: dict[str, Any], examples: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    media = {"application/json": {"schema": schema, "examples": examples}}
    good = {
        "description": "Scores, best first; its shape follows the request's",
        "content": {"application/json": {"schema": {"type": ["object", "array"]}, "example": answer}},
    }
    return {"requestBody": {"required": True, "content": media}, "responses": {"200": good, **errors()}}


def errors(*only: str) -> dict[int | str, dict[str, Any]]:
    """The responses of errors, all or some."""
    content = {"application/json": {"schema": ERROR}}
    return {code: {"description": _STATUSES[code], "content": content} for code in only or _STATUSES}
