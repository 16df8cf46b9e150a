"""Bodies of errors: each says the same under every name that some client reads.

`detail` Jina, Voyage, vLLM, OpenArc and FastAPI clients; `message` Cohere; `error.message` OpenAI and newer vLLM;
`error` as a string with `error_type` TEI, which is the one clash: a TEI client gets the string.
"""

from typing import Any

from yesrank.serve.dialects.fields import clean

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


def common(
    status: int,
    message: str,
    field: str | None = None,
    hint: str | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """Cohere, Jina, Voyage, vLLM, OpenArc and OpenAI clients all find their own field here."""
    text = _text(message, hint)
    error = {"message": text, "type": _openai_type(status), "param": field, "code": _code(status)}
    return {**_shared(text, field, hint, request_id), "error": error}


def numbered(
    status: int,
    message: str,
    field: str | None = None,
    hint: str | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """OpenRouter: `error.code` is the status, as a number."""
    found = common(status, message, field, hint, request_id)
    return {**found, "error": {**found["error"], "code": status}}


def tei(
    status: int,
    message: str,
    field: str | None = None,
    hint: str | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """TEI: `error` is the message itself, and `error_type` one of its own names."""
    text = _text(message, hint)
    kind = _TEI_TYPES.get(status, "Backend" if status >= 500 or status == 424 else "Validation")
    return {**_shared(text, field, hint, request_id), "error": text, "error_type": kind}


def _shared(text: str, field: str | None, hint: str | None, request_id: str | None) -> dict[str, Any]:
    extra = {"field": field, "hint": hint and clean(hint), "id": request_id}
    return {"message": text, "detail": text, **{key: value for key, value in extra.items() if value}}


def _text(message: str, hint: str | None) -> str:
    """One line for clients that show only one."""
    return clean(f"{message}; {hint}" if hint else message)


def _openai_type(status: int) -> str:
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _code(status: int) -> str:
    return _CODES.get(status, "internal_error" if status >= 500 else "invalid_input")
