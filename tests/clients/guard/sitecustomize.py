"""Loaded by every Python that has this folder in PYTHONPATH: it can then reach nothing but this machine."""

import ipaddress
import socket
import sys

_connect, _connect_ex, _look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _check(host):
    """Raises OSError for a host that is not this machine; the note on stderr fails the test even if it is caught."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return
    try:
        loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        print(f"beyond this machine: {name}", file=sys.stderr)
        raise OSError(f"beyond this machine: {name}")


def _connect_here(self, address):
    if isinstance(address, tuple):
        _check(address[0])
    return _connect(self, address)


def _connect_ex_here(self, address):
    if isinstance(address, tuple):
        _check(address[0])
    return _connect_ex(self, address)


def _look_up_here(host, *more, **options):
    _check(host)
    return _look_up(host, *more, **options)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = (
    _connect_here,
    _connect_ex_here,
    _look_up_here,
)
