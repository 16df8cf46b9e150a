"""What the dialects of embeddings have in common: what they are, and how their fields are read."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from yesrank.errors import EmptyInput, InputError
from yesrank.serve.dialects import errorbodies, names
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect, ErrorRenderer
from yesrank.serve.dialects.embeddings import refuse
from yesrank.serve.dialects.fields import Fields
from yesrank.serve.embedrequests import EmbedRequest, EmbedResult, Input
from yesrank.vectors import Vectors

PURPOSES = {
    "query": "query",
    "search_query": "query",
    "retrieval.query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
    "retrieval.passage": "document",
}
"""What services call queries and documents."""
READ = ("model", "dialect", "instruction", "instruct", "dimensions", "prompt_name")
WITHOUT_EFFECT = (
    "user",
    "normalize",
    "normalized",
    "embedding_format",
    "request_id",
    "priority",
    "add_special_tokens",
)
"""Names of other services that change nothing: vectors are one long."""
_TYPES = {"float": "float32", "base64": "float32", "float32": "float32", "float16": "float16"} | {
    name: name for name in ("int8", "uint8", "binary", "ubinary")
}


@dataclass(frozen=True, slots=True)
class EmbedDialect:
    """One shape of request and response: as base.Dialect, of embeddings."""

    name: str
    parse: Callable[[Any], EmbedRequest]
    render: Callable[[EmbedRequest, EmbedResult], Any]
    error: ErrorRenderer = errorbodies.common

    @property
    def faults(self) -> Dialect:
        """For who renders errors."""
        return Dialect(self.name, refuse, refuse, self.error)


def check(fields: Fields, own: Iterable[str]) -> tuple[str, ...]:
    """What is to be told of fields that are not read. Raises InputError for a misspelling: see names."""
    return names.check_embedding(fields, (*own, *READ), WITHOUT_EFFECT)


def inputs(fields: Fields, name: str, *, ids: bool = False) -> tuple[Input, ...]:
    """A text or a list of texts; with `ids` also the token ids of one text, or of several. Raises InputError."""
    value = fields.get(name)
    if value is None:
        raise InputError(name, "is missing", "give a text, or a list of texts")
    items = value if isinstance(value, list) else [value]
    if not items:
        raise EmptyInput(name, "is empty", "give a text, or a list of texts")
    if ids and all(_is_id(each) for each in items) and isinstance(value, list):
        return (tuple(items),)
    return tuple(_input(f"{name}[{at}]", each, ids=ids) for at, each in enumerate(items))


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _input(where: str, value: object, *, ids: bool) -> Input:
    if isinstance(value, Mapping):  # Jina, and parts of content
        value = value.get("text") if "text" in value else value
        if isinstance(value, Mapping):
            raise InputError(where, "has no text", "only text is read: give a string")
    if isinstance(value, str):
        return read.clean(value)
    if ids and isinstance(value, list) and value and all(_is_id(each) for each in value):
        return tuple(value)
    raise InputError(where, f"must be a string, not {read.kind(value)}")


def purpose(fields: Fields, *known: str) -> str | None:
    """Query, document, the name of a prompt, or None, under whichever of the names."""
    for name in known:
        if (word := read.string(fields, name)) is not None:
            return PURPOSES.get(word.lower(), word if name == "prompt_name" else None)
    return None


def told(fields: Fields, *known: str) -> tuple[str, ...]:
    """That a purpose is none of this model's, where it is not."""
    for name in known:
        word = read.string(fields, name)
        if word is not None and word.lower() not in PURPOSES:
            return (f"{name} is neither a query's nor a document's: texts were read as they are",)
    return ()


def instruction(fields: Fields) -> str | None:
    """The task of queries."""
    return read.string(fields, "instruction") or read.string(fields, "instruct")


def dimensions(fields: Fields, *known: str) -> int | None:
    """How many are wanted, under whichever of the names; None for all."""
    found = [read.whole(fields, name, 1) for name in known]
    return next((each for each in found if each is not None), None)


def output(name: str, word: str) -> str:
    """The type that a service's word means. Raises InputError."""
    try:
        return _TYPES[word.lower()]
    except KeyError:
        raise InputError(name, "is not known", f"use one of: {', '.join(_TYPES)}") from None


def numbers(vectors: Vectors) -> list[list[Any]]:
    """Rows of numbers as JSON has them, floats with nine decimals. base64 has all of a number's bits."""
    if vectors.dtype.kind == "f":
        return np.asarray(vectors, np.float64).round(9).tolist()  # type: ignore[no-any-return]
    return vectors.tolist()  # type: ignore[no-any-return]


def packed(vectors: Vectors) -> list[str]:
    """Rows as the base64 of their bytes, little-endian."""
    rows = np.ascontiguousarray(vectors, vectors.dtype.newbyteorder("<"))
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
