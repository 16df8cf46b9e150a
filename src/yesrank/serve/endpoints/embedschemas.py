"""What /openapi.json says about the bodies of the routes of embeddings: as schemas.py."""

from collections.abc import Mapping

from yesrank.serve.endpoints.schemas import Schema, ref

_STRING: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_TEXTS: Schema = {"type": "array", "minItems": 1, "items": _STRING}
_VECTOR: Schema = {"type": "array", "items": {"type": "number"}}
_MODEL: Schema = {
    "type": "string",
    "description": "A name from /v1/models; the first that embeds when left out.",
}
_PURPOSE: Schema = {
    "type": "string",
    "description": "query or document; texts are read as they are without it.",
}
_SIZE: Schema = {
    "type": "integer",
    "minimum": 1,
    "description": "The first so many dimensions, normalised again.",
}


def _object(required: str, **properties: Schema) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    return {**found, "required": required.split()} if required else found


EMBED_SCHEMAS: Mapping[str, Schema] = {
    "EmbeddingsRequest": _object(
        "input",
        input={"anyOf": [_STRING, _TEXTS, {"type": "array", "minItems": 1, "items": _WHOLE}]},
        model=_MODEL,
        dimensions=_SIZE,
        encoding_format={"type": "string", "enum": ["float", "base64"]},
        input_type=_PURPOSE,
        instruction={"type": "string", "description": "The task of queries, in one sentence."},
        truncate={"type": "boolean", "description": "Cut a text that is too long; else that is an error."},
    ),
    "Embedding": _object("index embedding", object=_STRING, index=_WHOLE, embedding=_VECTOR),
    "EmbeddingsUsage": _object("prompt_tokens total_tokens", prompt_tokens=_WHOLE, total_tokens=_WHOLE),
    "EmbeddingsResponse": _object(
        "object data model usage",
        object=_STRING,
        data={"type": "array", "items": ref("Embedding")},
        model=_STRING,
        usage=ref("EmbeddingsUsage"),
    ),
    "CohereEmbedRequest": _object(
        "texts",
        texts=_TEXTS,
        model=_MODEL,
        input_type={**_PURPOSE, "description": "search_query or search_document."},
        embedding_types={"type": "array", "items": _STRING},
        output_dimension=_SIZE,
        truncate={"type": "string", "enum": ["END", "NONE"]},
    ),
    "CohereEmbedResponse": _object("id embeddings", id=_STRING, embeddings={"type": "object"}, texts=_TEXTS),
    "TeiEmbedRequest": _object(
        "inputs",
        inputs={"anyOf": [_STRING, _TEXTS]},
        truncate={"type": "boolean"},
        prompt_name=_STRING,
        dimensions=_SIZE,
    ),
    "Vector": _VECTOR,
}
"""Name -> JSON schema."""


def embed(path: str) -> tuple[Schema, Schema, Schema]:
    """Of a route: the schema of its request and of its answer, and a request."""
    if path.endswith("/embed") and path != "/embed":
        return ref("CohereEmbedRequest"), ref("CohereEmbedResponse"), {"texts": ["text"]}
    if path == "/embed":
        return ref("TeiEmbedRequest"), {"type": "array", "items": ref("Vector")}, {"inputs": "text"}
    return ref("EmbeddingsRequest"), ref("EmbeddingsResponse"), {"input": "text"}
