"""Queries and documents: strings, or objects that hold a text."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from yesrank.errors import EmptyInput, InputError
from yesrank.prompt import is_blank
from yesrank.serve.dialects.fields import Fields, clean, kind

DEEPEST = 32
"""Levels of nesting in a document that is sent back: enough for any real one, and safe to walk."""
MOST_FIELDS = 100
"""Names in rank_fields: all of them are looked for in each document."""

_MEDIA = frozenset({"image", "image_url", "images", "video", "video_url", "audio", "input_audio"})
_ONLY_TEXT = "only text is read: leave pictures and files out"
_WHICH = 'put the text under "text"; bodies of Cohere and Mixedbread may name other fields in rank_fields'


def query(body: Fields, name: str = "query") -> str:
    """The one query of the request: a string, or {"text": ...}."""
    value = body.get(name)
    if isinstance(value, Mapping):
        value = value.get("text")
    if value is None or (isinstance(value, str) and is_blank(value)):
        kind_of_error = InputError if value is None else EmptyInput
        raise kind_of_error(name, "is missing or empty", "give the question as a string")
    if not isinstance(value, str):
        raise InputError(name, f"must be a string, not {kind(value)}")
    return clean(value)


def documents(body: Fields, name: str = "documents", keys: Sequence[str] = ("text",)) -> tuple[str, ...]:
    """The texts of a list of strings or objects. keys: which fields of an object count, joined in this order."""
    return tuple(one_text(value, f"{name}[{index}]", keys) for index, value in enumerate(items(body, name)))


def items(body: Fields, name: str) -> list[Any]:
    """The list under that name, which may not be empty."""
    values = body.get(name)
    if values is None:
        raise InputError(name, "is missing", "give a list of strings")
    if not isinstance(values, list):
        raise InputError(name, f"must be a list, not {kind(values)}")
    if not values:
        raise EmptyInput(name, "is empty", "give at least one text")
    return values


def one_text(value: object, where: str, keys: Sequence[str] = ("text",)) -> str:
    """The text of one string or object. where: how an error names it, such as documents[3]."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return _content(value, where)
    if not isinstance(value, Mapping):
        raise InputError(where, f"must be a string or an object with a text, not {kind(value)}")
    parts = [_part(value[key], where) for key in keys if value.get(key) is not None]
    if not parts and isinstance(value.get("content"), list):  # vLLM's way to send content parts
        return _content(value["content"], where)
    if not parts and not _MEDIA.isdisjoint(value):
        raise InputError(where, "is a picture, sound or film", _ONLY_TEXT)
    if not parts:
        raise InputError(where, "has none of the fields that are read", _WHICH)
    return "\n".join(parts)


def rank_fields(body: Fields) -> tuple[str, ...]:
    """Cohere v1: which fields of each document are read, in which order. Absent, null or empty: text alone.

    A name given twice counts once: a small body could otherwise ask for a text of any length.
    """
    names = body.get("rank_fields")
    if names is None or names == []:
        return ("text",)
    if not isinstance(names, list):
        raise InputError("rank_fields", f"must be a list of strings, not {kind(names)}")
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(f"rank_fields[{index}]", f"must be a string, not {kind(name)}")
    found = tuple(dict.fromkeys(names))
    if len(found) > MOST_FIELDS:
        raise InputError("rank_fields", f"names {len(found)} fields, more than {MOST_FIELDS}")
    return found


def echo(values: Sequence[Any], name: str = "documents") -> tuple[Any, ...]:
    """The caller's documents as they can be sent back: a string as {"text": ...}, an object with all its fields."""
    return tuple(
        {"text": clean(value)} if isinstance(value, str) else _plain(value, f"{name}[{index}]", DEEPEST)
        for index, value in enumerate(values)
    )


def _content(parts: Sequence[Any], where: str) -> str:
    """OpenAI's content parts, [{"type": "text", "text": ...}], joined by newlines. Raises InputError for pictures."""
    found = []
    for part in parts:
        if not isinstance(part, Mapping) or not isinstance(part.get("text"), str):
            raise InputError(where, "has a part that is no text", _ONLY_TEXT)
        found.append(clean(part["text"]))
    if not found:
        raise InputError(where, "has no parts", 'give {"type": "text", "text": "..."}')
    return "\n".join(found)


def _part(value: object, where: str) -> str:
    """One field of a document. Numbers are read too: a year or a price is a normal field."""
    if isinstance(value, str):
        return clean(value)
    if (
        isinstance(value, list)
        and value
        and all(isinstance(part, Mapping) and "type" in part for part in value)
    ):
        return _content(value, where)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 256:
        return str(value)
    if isinstance(value, float) and isfinite(value):
        return str(value)
    raise InputError(
        where, f"has {kind(value)} in a field that is read", "such fields hold strings or numbers"
    )


def _plain(value: Any, where: str, levels: int) -> Any:
    """A copy that any JSON encoder accepts: no lone surrogates, NaN as null, no bottomless nesting."""
    if levels == 0:
        raise InputError(where, f"is nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _plain(item, where, levels - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where, levels - 1) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
