"""Single fields of a JSON body, read the way clients write them. Every failure is an InputError naming the field.

null counts as absent everywhere. Flags may be "true" and numbers may be "3" or 3.0, because some clients send
form values or have only one kind of number. Messages name kinds and positions, never what the caller wrote.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from yesrank.errors import InputError

Fields = Mapping[str, Any]

LARGEST = 2**31 - 1
"""Larger numbers mean the same as this one, and fit every integer type further on."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{0,30})?(e-[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def as_object(body: object) -> Fields:
    """The body itself, once it is known to be an object."""
    if not isinstance(body, Mapping):
        raise InputError("body", f"must be a JSON object, not {kind(body)}")
    return body


def kind(value: object) -> str:
    """What JSON calls the kind of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, Mapping) else "a list"


def clean(text: str) -> str:
    """The text with lone surrogates replaced (clients that cut strings in JavaScript send them; UTF-8 cannot)."""
    if text.isascii():
        return text
    try:
        text.encode()  # several times faster than a search, and lone surrogates are all that it refuses
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def string(fields: Fields, name: str) -> str | None:
    """A string; None if absent, null or empty."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InputError(name, f"must be a string, not {kind(value)}")
    return clean(value)


def whole(fields: Fields, name: str, at_least: int = 0) -> int | None:
    """A whole number: 3, 3.0 or "3"."""
    value = fields.get(name)
    if value is None:
        return None
    number = _as_whole(value)
    if number is None:
        raise InputError(name, f"must be a whole number, not {_oddity(value)}")
    if number < at_least:
        raise InputError(name, f"must be {at_least} or more")
    return min(number, LARGEST)


def at_most(fields: Fields, name: str) -> int | None:
    """A limit: null and 0 mean that there is none."""
    return whole(fields, name) or None


def share(fields: Fields, name: str) -> float | None:
    """A number from 0 to 1: 0.5 or "0.5"; None if absent, null, false or empty."""
    value = fields.get(name)
    if value is None or value is False or value == "":
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(name, f"must be a number from 0 to 1, not {_oddity(value)}")
    if not 0 <= value <= 1:
        raise InputError(name, "must be from 0 to 1", "it is compared with scores, not with logits")
    return float(value)


def flag(fields: Fields, name: str) -> bool | None:
    """A boolean: true, "true" in any case, 1 or "1"; None if absent."""
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        found = _FLAGS.get(str(value).strip().lower())
        if found is not None:
            return found
    raise InputError(name, f"must be true or false, not {_oddity(value)}")


def _as_whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if isfinite(value) and value.is_integer() else None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return None


def _oddity(value: object) -> str:
    if isinstance(value, float):
        return "a number with a fraction" if isfinite(value) else "NaN or infinity"
    return "another string" if isinstance(value, str) else kind(value)
