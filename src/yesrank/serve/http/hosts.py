"""Which names a server answers to.

A page of elsewhere can have its own name point at this machine (DNS rebinding). To the browser the server is then part
of that page's site, which may ask for anything and read every answer. The Host header has that name, and tells of it.

| the server | and answers to |
|---|---|
| has keys, and no list of names | any name: no page of elsewhere knows a key |
| listens on this machine only | localhost, its addresses, the name or address given as host; the list |
| listens for others too | also any address, names without a dot, names of networks that are nobody's; the list |
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

_FORM = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:/@?#,]+)(?::[0-9]*)?", re.IGNORECASE)
_OF_THIS_MACHINE = frozenset({"localhost", "host.docker.internal", "host.containers.internal"})
"""The latter two: what containers call the machine that they run on."""
_NOBODYS = (
    ".localhost",
    ".local",
    ".internal",
    ".lan",
    ".home",
    ".home.arpa",
    ".intranet",
    ".private",
    ".svc",
    ".test",
)
"""Endings that no public name has, so that nobody can point one of them anywhere from outside."""


class Hosts:
    """The names of one server. allowed: its list, where *.example.org stands for all below it, and * for any name."""

    def __init__(self, bound: str, allowed: Iterable[str], *, on_loopback: bool, keys: bool) -> None:
        self.allowed = tuple(name.lower().rstrip(".") for name in allowed)
        self._any = "*" in self.allowed or (keys and not self.allowed)
        self._bound, self._on_loopback = bound.lower(), on_loopback

    def allow(self, name: str) -> bool:
        """Whether to answer to a name as `name_of` gives it."""
        if self._any or name == self._bound or name in _OF_THIS_MACHINE or name.endswith(".localhost"):
            return True
        if self.lists(name):
            return True
        address = _address(name)
        if self._on_loopback:
            return address is not None and address.is_loopback
        return address is not None or "." not in name or name.endswith(_NOBODYS)

    def lists(self, name: str) -> bool:
        """Whether the list has a name."""
        return any(
            name == each or (each.startswith("*.") and name.endswith(each[1:])) for each in self.allowed
        )


def name_of(host: str) -> str | None:
    """The name or address in a Host header, without brackets and port; None where it has not the form of one."""
    match = _FORM.fullmatch(host.strip())
    return match[1].strip("[]").lower().rstrip(".") or None if match else None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Also of the short forms that programs send as they were typed, such as 127.1."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        return (
            ipaddress.IPv4Address(socket.inet_aton(name)) if name.rpartition(".")[2][:1].isdigit() else None
        )
    except OSError:
        return None
