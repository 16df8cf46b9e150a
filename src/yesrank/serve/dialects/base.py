"""What a dialect is: a name and three pure functions."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from yesrank.serve.requests import RerankRequest, RerankResult


class Kind(StrEnum):
    """What services answer with statuses and names of their own."""

    KEY = "key"  # missing or wrong
    MODEL = "model"  # no such model
    FIELD = "field"  # missing or wrong
    EMPTY = "empty"  # a text or list with nothing in it
    LONG = "long"  # more tokens than the model takes, or the request allows
    LARGE = "large"  # more bytes, documents or characters than one request may have
    BUSY = "busy"  # the queue is full
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with a request.

    status: the HTTP status where a dialect has none of its own for the kind. field: the one at fault; hint: the next
    step to take.
    """

    status: int
    message: str
    field: str | None = None
    hint: str | None = None
    request_id: str | None = None
    kind: Kind = Kind.OTHER


ErrorRenderer = Callable[[Fault], tuple[int, dict[str, Any]]]
"""What went wrong -> the status and the body, JSON-serialisable as it stands, as a dialect's clients read them."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One shape of request and response.

    name: short and from a fixed set (fit for a metric's label). parse: a decoded JSON body of any kind ->
    RerankRequest, or InputError. render: the request and the result of every document -> the body of the
    response. error: see ErrorRenderer.
    """

    name: str
    parse: Callable[[Any], RerankRequest]
    render: Callable[[RerankRequest, RerankResult], Any]
    error: ErrorRenderer
