"""OpenAI, vLLM, and Jina's and Voyage's clients, which speak it with words of their own.

input, model, dimensions and encoding_format in; {object, data: [{object, index, embedding}], model, usage} out.
"""

from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import embedding as shared
from yesrank.serve.dialects import errorbodies
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Kind
from yesrank.serve.dialects.embedding import EmbedDialect
from yesrank.serve.dialects.fields import Fields
from yesrank.serve.embedrequests import EmbedRequest, EmbedResult

_OPENAI = ("input", "encoding_format", "truncate_prompt_tokens", "truncate", "input_type")
JINA_ONLY = frozenset({"task", "embedding_type", "late_chunking"})
VOYAGE_ONLY = frozenset({"truncation", "output_dimension", "output_dtype"})
_JINA = ("input", "truncate", *JINA_ONLY)
_VOYAGE = ("input", "input_type", "encoding_format", *VOYAGE_ONLY)


def _request(
    fields: Fields, name: str, own: tuple[str, ...], purposes: tuple[str, ...], **more: Any
) -> EmbedRequest:
    notes = (
        *shared.check(fields, own),
        *shared.told(fields, *(each for each in purposes if each != "prompt_name")),
    )
    return EmbedRequest(
        dialect=name,
        inputs=shared.inputs(fields, "input", ids=True),
        model=read.string(fields, "model"),
        purpose=shared.purpose(fields, *purposes),
        instruction=shared.instruction(fields),
        notes=notes,
        **more,
    )


def _openai(body: Any) -> EmbedRequest:
    fields = read.as_object(body)
    return _request(
        fields,
        "openai-embeddings",
        _OPENAI,
        ("input_type", "prompt_name"),
        dimensions=shared.dimensions(fields, "dimensions"),
        max_length=_at_most(fields),
        truncate=_at_most(fields) is not None or (read.flag(fields, "truncate") or False),
        options={"base64": _base64(fields)},
    )


def _jina(body: Any) -> EmbedRequest:
    fields = read.as_object(body)
    if read.flag(fields, "late_chunking"):
        raise InputError(
            "late_chunking", "cannot be had here", "each text has a vector of its own; leave it out"
        )
    kinds = fields.get("embedding_type") or "float"
    if not isinstance(kinds, str):
        raise InputError("embedding_type", "must be one word", "ask for one type at a time")
    return _request(
        fields,
        "jina-embeddings",
        _JINA,
        ("task", "prompt_name"),
        dimensions=shared.dimensions(fields, "dimensions"),
        outputs=(shared.output("embedding_type", kinds),),
        truncate=read.flag(fields, "truncate") or False,
        options={"base64": kinds == "base64"},
    )


def _voyage(body: Any) -> EmbedRequest:
    fields = read.as_object(body)
    cut = read.flag(fields, "truncation")
    return _request(
        fields,
        "voyage-embeddings",
        _VOYAGE,
        ("input_type", "prompt_name"),
        dimensions=shared.dimensions(fields, "output_dimension", "dimensions"),
        outputs=(shared.output("output_dtype", read.string(fields, "output_dtype") or "float"),),
        truncate=True if cut is None else cut,
        options={"base64": _base64(fields)},
    )


def _at_most(fields: Fields) -> int | None:
    found = read.whole(fields, "truncate_prompt_tokens", -1)
    return None if found is None else (1 << 20 if found == -1 else max(1, found))


def _base64(fields: Fields) -> bool:
    word = read.string(fields, "encoding_format")
    if word not in (None, "float", "base64"):
        raise InputError("encoding_format", "is not known", "use float or base64")
    return word == "base64"


def render(request: EmbedRequest, result: EmbedResult) -> dict[str, Any]:
    """Vectors as lists of numbers, or as base64."""
    [vectors] = result.vectors.values()
    rows: list[Any] = shared.packed(vectors) if request.options["base64"] else shared.numbers(vectors)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
        "model": result.model,
        "usage": {"prompt_tokens": result.tokens, "total_tokens": result.tokens},
    }


_VOYAGE_ERRORS = errorbodies.Errors({**errorbodies.BAD_REQUEST, Kind.MODEL: 400, Kind.LARGE: 400})
OPENAI = EmbedDialect("openai-embeddings", _openai, render, errorbodies.Errors(errorbodies.BAD_REQUEST))
JINA = EmbedDialect("jina-embeddings", _jina, render)
VOYAGE = EmbedDialect("voyage-embeddings", _voyage, render, _VOYAGE_ERRORS)
