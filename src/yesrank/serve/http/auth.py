"""API keys: several at a time, compared in constant time."""

import hashlib
import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers

OPEN_PATHS = frozenset(
    {"/health", "/healthz", "/ready", "/ping", "/.well-known/live", "/.well-known/ready", "/v1/cluster/auth"}
)
"""What needs no key: probes of an orchestrator (and of Weaviate), which have none, and the question whether there are
keys (Xinference). They say nothing about models or texts."""
KEY_HEADERS = ("authorization", "x-api-key", "api-key")
"""Where keys come."""


class Keys:
    """The keys that may come in. Only their hashes are kept, of one length whatever the keys' lengths."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._hashes = tuple(_hash(key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def allow(self, headers: Headers) -> bool:
        """Whether a request may pass: there are no keys, or one of its credentials is among them."""
        if not self._hashes:
            return True
        # all are compared, whatever is found: time must not tell which key was nearly right
        return (
            sum(hmac.compare_digest(known, given) for given in _given(headers) for known in self._hashes) > 0
        )


def _given(headers: Headers) -> list[bytes]:
    """Hashes of the credentials of a request: Authorization: Bearer (OpenAI, Cohere), x-api-key, api-key."""
    found = [headers.get("x-api-key"), headers.get("api-key")]
    scheme, _, value = (headers.get("authorization") or "").strip().partition(" ")
    if scheme.lower() in ("bearer", "token"):
        found.append(value.strip())
    return [_hash(key) for key in found if key]


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
