"""How many cores this process may use: the machine may have more than its container does."""

import os
from pathlib import Path

import psutil

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Quota and period of the container's own group, as version 2 of Linux's control groups shows them from inside."""


def threads() -> int:
    """One a physical core, and no more than this process may use (affinity, quota of a container)."""
    return max(1, min(psutil.cpu_count(logical=False) or usable(), usable(), quota() or usable()))


def usable() -> int:
    """Logical cores that the process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota() -> int | None:
    """Whole cores' worth of time that a container gets, one at least; None where that is not limited.

    With more threads than that the kernel stops all of them for the rest of every period, and those that wait for
    each other wait through it.
    """
    try:
        allowed, period = CPU_MAX.read_text(encoding="ascii").split()
        return None if allowed == "max" else max(1, int(allowed) // int(period))
    except (OSError, ValueError):
        return None
