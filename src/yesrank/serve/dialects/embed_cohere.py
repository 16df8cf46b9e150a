"""Cohere /v1/embed and /v2/embed: texts, input_type and embedding_types in; vectors by type out."""

from collections.abc import Mapping
from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import embedding as shared
from yesrank.serve.dialects import errorbodies
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.embedding import EmbedDialect
from yesrank.serve.dialects.fields import Fields
from yesrank.serve.embedrequests import EmbedRequest, EmbedResult, Input

_OWN = (
    *(
        "texts",
        "inputs",
        "input_type",
        "embedding_types",
        "output_dimension",
        "truncate",
        "max_tokens",
        "images",
    ),
)
_CUT = {"end": True, "none": False}


def _parse(version: str, body: Any) -> EmbedRequest:
    fields = read.as_object(body)
    if fields.get("images"):
        raise InputError("images", "cannot be read: only text is", "leave it out")
    words = fields.get("embedding_types")
    if words is not None and not (isinstance(words, list) and all(isinstance(each, str) for each in words)):
        raise InputError("embedding_types", "must be a list of words", 'such as ["float"]')
    types = [each.lower() for each in words or ["float"]]
    return EmbedRequest(
        dialect="cohere-embed",
        inputs=_inputs(fields),
        model=read.string(fields, "model"),
        purpose=shared.purpose(fields, "input_type", "prompt_name"),
        instruction=shared.instruction(fields),
        dimensions=shared.dimensions(fields, "output_dimension", "dimensions"),
        outputs=tuple(dict.fromkeys(shared.output("embedding_types", each) for each in types)),
        max_tokens=read.at_most(fields, "max_tokens"),
        truncate=_truncate(fields),
        options={"types": types, "plain": version == "1" and words is None, "version": version},
        notes=(*shared.check(fields, _OWN), *shared.told(fields, "input_type")),
    )


def _inputs(fields: Fields) -> tuple[Input, ...]:
    if fields.get("inputs") is None:
        return shared.inputs(fields, "texts")
    items = fields["inputs"]
    if not isinstance(items, list):
        raise InputError("inputs", f"must be a list, not {read.kind(items)}")
    return shared.inputs(
        {"inputs": [_content(f"inputs[{at}]", each) for at, each in enumerate(items)]}, "inputs"
    )


def _content(where: str, item: object) -> str:
    """The text of an input that is made of parts."""
    parts = item.get("content") if isinstance(item, Mapping) else None
    if isinstance(parts, list) and all(isinstance(each, Mapping) and "text" in each for each in parts):
        return "\n".join(str(each["text"]) for each in parts)
    raise InputError(
        where, "has a part that is no text", 'give {"content": [{"type": "text", "text": "..."}]}'
    )


def _truncate(fields: Fields) -> bool:
    word = read.string(fields, "truncate")
    if word is None:
        return True
    if word.lower() not in _CUT:
        raise InputError("truncate", "must be END or NONE", "only a text's end is cut")
    return _CUT[word.lower()]


def render(request: EmbedRequest, result: EmbedResult) -> dict[str, Any]:
    """{id, embeddings: {float: ...}, texts, meta, response_type}; a plain list of v1 where no type was asked for."""
    by_type = {each: _rows(each, result) for each in request.options["types"]}
    plain = request.options["plain"]
    return {
        "id": result.request_id,
        "embeddings": by_type["float"] if plain else by_type,
        "texts": list(request.inputs),
        "meta": {
            "api_version": {"version": request.options["version"]},
            "billed_units": {"input_tokens": result.tokens},
        },
        "response_type": "embeddings_floats" if plain else "embeddings_by_type",
    }


def _rows(word: str, result: EmbedResult) -> list[Any]:
    vectors = result.vectors[shared.output("embedding_types", word)]
    return shared.packed(vectors) if word == "base64" else shared.numbers(vectors)


V1 = EmbedDialect("cohere-embed", lambda body: _parse("1", body), render, errorbodies.cohere)
V2 = EmbedDialect("cohere-embed", lambda body: _parse("2", body), render, errorbodies.cohere)
