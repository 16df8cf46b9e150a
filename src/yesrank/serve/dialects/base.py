"""What a dialect is: three pure functions and a name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from yesrank.serve.requests import RerankRequest, RerankResult


class ErrorRenderer(Protocol):
    """Makes the body of an error. field: the field at fault; hint: the next step to take."""

    def __call__(
        self,
        status: int,
        message: str,
        field: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """The body, JSON-serialisable as it stands."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """One shape of request and response.

    name: short and from a fixed set (fit for a metric's label). parse: a decoded JSON body of any kind ->
    RerankRequest, or InputError. render: the request and the result of every document -> the body of the
    response. error: what went wrong -> the body of the error, as this dialect's clients read it.
    """

    name: str
    parse: Callable[[Any], RerankRequest]
    render: Callable[[RerankRequest, RerankResult], Any]
    error: ErrorRenderer
