"""Runs a command in a network namespace of its own, which has loopback and nothing else, and counts what wanted out.

    python alone.py REPORT COMMAND ARGUMENT ...      (under `unshare --user --map-root-user --net`)

A datagram or a connection to another machine finds no route there, and the kernel counts it, whichever library or
child of the command tried, in native code too. Every UDP datagram is counted as well: a resolver may be on loopback.
REPORT gets {"returncode", "no_route", "datagrams"}.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP_AND_RUNNING))


def counts() -> dict[str, int]:
    """The namespace's counters since it was made."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    tables = {
        names[0]: dict(zip(names, values, strict=True))
        for names, values in zip(lines[::2], lines[1::2], strict=True)
    }
    six = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return {
        "no_route": int(tables["Ip:"]["OutNoRoutes"]) + int(six["Ip6OutNoRoutes"]),
        "datagrams": int(tables["Udp:"]["OutDatagrams"]) + int(six["Udp6OutDatagrams"]),
    }


if __name__ == "__main__":
    raise_loopback()
    returncode = subprocess.run(sys.argv[2:], check=False).returncode
    Path(sys.argv[1]).write_text(json.dumps({"returncode": returncode, **counts()}))
