"""Errors as each service's clients read them: the status, and a body that says the same under every name.

`detail` Jina, Voyage, NVIDIA, OpenArc and FastAPI clients; `message` Cohere and DashScope; `error.message` OpenAI, vLLM
and others; `error` as a string TEI and Weaviate, which is the one clash: their clients get the string.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yesrank.serve.dialects.base import Fault, Kind
from yesrank.serve.dialects.fields import clean

BAD_REQUEST: Mapping[Kind, int] = dict.fromkeys((Kind.FIELD, Kind.EMPTY, Kind.LONG), 400)
"""Statuses of the services that know no 422."""
_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    429: "overloaded",
    503: "unavailable",
    504: "deadline_exceeded",
}
_TEI_TYPES = {429: "Overloaded", 503: "Unhealthy"}
_TEI_STATUSES = {Kind.EMPTY: 400, Kind.LONG: 413}
_VLLM_TYPES: Mapping[Kind | int, str] = {
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
}


def _openai(status: int, text: str, fault: Fault) -> dict[str, Any]:
    code = _CODES.get(status, "internal_error" if status >= 500 else "invalid_input")
    return {"error": {"message": text, "type": _openai_type(status), "param": fault.field, "code": code}}


def _openai_type(status: int) -> str:
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """One service's way to say what went wrong.

    statuses: of the kinds that it answers otherwise than we do. own: status, text and fault -> what its bodies hold
    besides what all have.
    """

    statuses: Mapping[Kind, int] = field(default_factory=dict)
    own: Callable[[int, str, Fault], dict[str, Any]] = _openai

    def __call__(self, fault: Fault) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        status = self.statuses.get(fault.kind, fault.status)
        text = clean(
            f"{fault.message}; {fault.hint}" if fault.hint else fault.message
        )  # some show one line only
        extra = {"field": fault.field, "hint": fault.hint and clean(fault.hint), "id": fault.request_id}
        shared = {"message": text, "detail": text, **{key: value for key, value in extra.items() if value}}
        return status, {**shared, **self.own(status, text, fault)}


def with_code(
    codes: Mapping[Kind | int, str],
    otherwise: tuple[str, str],
    place: Callable[[dict[str, Any], str, int, Fault], dict[str, Any]],
) -> Callable[[int, str, Fault], dict[str, Any]]:
    """For services with words of their own. otherwise: for the caller's faults and for ours.

    place: OpenAI's error, the word, status and fault -> what the body holds.
    """

    def own(status: int, text: str, fault: Fault) -> dict[str, Any]:
        word = codes.get(fault.kind) or codes.get(status) or otherwise[status >= 500]
        found: dict[str, Any] = _openai(status, text, fault)["error"]
        return place(found, word, status, fault)

    return own


def _tei(status: int, text: str, fault: Fault) -> dict[str, Any]:
    kind = "Empty" if fault.kind is Kind.EMPTY else _TEI_TYPES.get(status)
    return {
        "error": text,
        "error_type": kind or ("Backend" if status >= 500 or status == 424 else "Validation"),
    }


common = Errors()
"""Jina, Mixedbread, NVIDIA, OpenArc: 422 for what is wrong with a field."""
cohere = Errors(BAD_REQUEST)
"""Cohere, Together, and vLLM's rerank."""
tei = Errors(_TEI_STATUSES, _tei)
"""TEI: `error` is the message itself, and `error_type` one of its own names."""
numbered = Errors(
    BAD_REQUEST,
    with_code({}, ("", ""), lambda error, _word, status, _fault: {"error": {**error, "code": status}}),
)
"""OpenRouter: `error.code` is the status, as a number."""
vllm = Errors(
    BAD_REQUEST,
    with_code(
        _VLLM_TYPES,
        ("BadRequestError", "InternalServerError"),
        lambda error, word, status, _fault: {"error": {**error, "type": word, "code": status}},
    ),
)
"""vLLM's own types; `error.code` is the status."""
