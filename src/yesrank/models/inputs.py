"""What callers of the library pass -> texts and numbers, checked. Each error names the argument and the item."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from numbers import Real
from operator import index
from typing import Any

from yesrank.documents.fields import TEXTS, titled, usual
from yesrank.errors import InputError
from yesrank.prompt import check_not_blank

_MANY = 8
_A_DOCUMENT = 'give strings, or dicts with a text such as {"title": "...", "text": "..."}'


@dataclass(frozen=True, slots=True)
class Documents:
    """texts: as they are judged. given: the same documents as the caller gave them."""

    texts: list[str]
    given: list[Any]


def text(field: str, value: object) -> str:
    """A string, numpy's own included. Raises InputError."""
    if not isinstance(value, str):
        raise InputError(field, f"must be a string, not {type(value).__name__}")
    return value if type(value) is str else str(value)


def question(field: str, value: object) -> str:
    """A query: a string that holds something. Raises InputError."""
    found = text(field, value)
    check_not_blank(field, found)
    return found


def documents(values: object) -> Documents:
    """Any iterable of strings and dicts, read once. Raises InputError, which names the document.

    The text of a dict stands under one of documents.fields.TEXTS, and its title, where it has one, goes before it: as
    in files.
    """
    given = _items("documents", values)
    return Documents([_document(f"documents[{at}]", value) for at, value in enumerate(given)], given)


def texts(field: str, values: object) -> list[str]:
    """Any iterable of strings, read once. Raises InputError, which names the one that is none."""
    return [text(f"{field}[{at}]", value) for at, value in enumerate(_items(field, values))]


def pairs(values: object) -> tuple[list[str], list[str]]:
    """(queries, documents) of any iterable of pairs: tuples, lists, rows of an array. Raises InputError."""
    if is_pair(values):
        raise InputError("pairs", "is one pair", "put it into a list: [(query, document)]")
    queries, texts = [], []
    for at, pair in enumerate(_items("pairs", values)):
        query, document = _two(at, pair)
        queries.append(question(f"pairs[{at}]: query", query))
        texts.append(_document(f"pairs[{at}]: document", document))
    return queries, texts


def is_pair(value: object) -> bool:
    """Whether it is one (query, document) of strings, rather than a list of pairs."""
    return (
        isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    )


def how_many(field: str, value: object) -> int | None:
    """A whole number of 0 or more, numpy's own included; None for 0, which stands for all. Raises InputError."""
    if value is None:
        return None
    try:
        found = -1 if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        found = -1
    if found < 0:
        raise InputError(field, f"must be a whole number of 0 or more, not {value!r}")
    return found or None


def least_score(field: str, value: object) -> float | None:
    """A number from 0 to 1. Raises InputError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise InputError(
            field, f"must be a number from 0 to 1, not {value!r}", "scores are probabilities; logits are not"
        )
    return float(value)


def _items(field: str, values: object) -> list[Any]:
    """The items of an iterable that has an order and whose items are what is meant."""
    if isinstance(values, str | bytes):
        raise InputError(
            field, f"must be a list of {field}, not {type(values).__name__}", "put it into a list"
        )
    if isinstance(values, Mapping):
        raise InputError(field, "is a dict, whose keys would be read", "put it, or its values, into a list")
    if isinstance(values, Set):
        raise InputError(field, "is a set, which has no order", "make a list of it")
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        raise InputError(
            field,
            f"is a table ({type(values).__name__}), whose columns would be read",
            'give a column such as table["text"], or its rows as dicts: to_dict("records"), to_dicts(), to_pylist()',
        )
    try:
        found = iter(values)  # type: ignore[call-overload]
    except TypeError:  # also an array without dimensions
        raise InputError(field, f"must be a list of {field}, not {type(values).__name__}") from None
    return [*found]


def _document(where: str, value: object) -> str:
    if isinstance(value, str):
        return text(where, value)
    if not isinstance(value, Mapping):
        raise InputError(where, f"must be a string or a dict, not {type(value).__name__}", _A_DOCUMENT)
    record = {key: each for key, each in value.items() if isinstance(key, str)}
    field = usual([name for name, each in record.items() if isinstance(each, str)], TEXTS)
    if field is None:
        there = ", ".join([*record][:_MANY]) + (", ..." if len(record) > _MANY else "")
        raise InputError(
            where, f"has no text; it has {there or 'nothing'}", f"put it under one of: {', '.join(TEXTS)}"
        )
    return titled(record, field, text(where, record[field]))


def _two(at: int, pair: Any) -> tuple[object, object]:
    wrong = InputError(f"pairs[{at}]", "must be (query, document)")
    if isinstance(pair, str | bytes | Mapping | Set):
        raise wrong
    try:
        query, document = pair
    except (TypeError, ValueError):
        raise wrong from None
    return query, document
