"""Which pages may ask a server to do something.

Browsers let any page post to any server: they only hide the answer, and ask first (a preflight) where a request is one
that no form could send. So a page could have models loaded, unloaded and run. Such a request is refused when it names
a page of elsewhere. Programs name none.
"""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers

from yesrank.serve.http.auth import KEY_HEADERS
from yesrank.serve.http.hosts import Hosts, name_of

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\s]+)", re.IGNORECASE)
_PORT = re.compile(r":([0-9]+)$")
_PORTS = {"http": "80", "https": "443"}
_JSON = re.compile(r"application/(?:json|[a-z0-9!#$&^_.+-]+\+json)\s*(?:;.*)?", re.IGNORECASE)
_ELSEWHERE = ("cross-site", "same-site")


class Origins:
    """The pages that one server takes requests from: its own, and those of its CORS setting."""

    def __init__(self, allowed: Sequence[str], hosts: Hosts) -> None:
        self._allowed, self._hosts = frozenset(allowed), hosts

    def allow(self, headers: Headers, *, changes: bool) -> bool:
        """Whether a request that is not just a question may come from where it says.

        changes: it changes the server, and no client that means well sends it from another page in any form.
        """
        if "*" in self._allowed or not (changes or _unasked(headers)):
            return True
        origins = headers.getlist("origin")
        if not origins:
            return headers.get("sec-fetch-site", "") not in _ELSEWHERE
        return all(origin in self._allowed or self._is_own(origin, headers) for origin in origins)

    def _is_own(self, origin: str, headers: Headers) -> bool:
        """Behind a proxy the Host may be another name than the browser's; pages can set neither of the two headers."""
        if headers.get("sec-fetch-site") == "same-origin":
            return True
        match = _ORIGIN.fullmatch(origin)
        if match is None:
            return False
        scheme, place = match[1].lower(), match[2]
        own = (*headers.getlist("host"), *headers.getlist("x-forwarded-host"))
        name = name_of(place)
        return _place(place, scheme) in [_place(each.strip(), scheme) for each in own] or (
            name is not None and self._hosts.lists(name)
        )


def _unasked(headers: Headers) -> bool:
    """Whether a browser may have sent it without asking first: neither as JSON nor with a key."""
    kinds = headers.getlist("content-type")
    as_json = bool(kinds) and all(_JSON.fullmatch(kind.strip()) for kind in kinds)
    return not as_json and not any(name in headers for name in KEY_HEADERS)


def _place(host: str, scheme: str) -> tuple[str | None, str | None]:
    """(name, port), with the scheme's own port where none is given."""
    port = _PORT.search(host)
    return name_of(host), port[1] if port else _PORTS.get(scheme)
