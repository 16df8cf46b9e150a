"""oneDNN's memory of compiled kernels, which OpenVINO has no setting for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from yesrank.engine.bounds import PRIMITIVES

_VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY")


@contextmanager
def few_primitives() -> Iterator[None]:
    """oneDNN's cache is bounded where its first use in this process falls inside the block.

    It reads the variable once, then. The variable is taken back, because other libraries in the process and programs
    that it starts have a oneDNN of their own. One that is set already is its owner's decision.
    """
    if any(name in os.environ for name in _VARIABLES):
        yield
        return
    name = _VARIABLES[0]
    os.environ[name] = str(PRIMITIVES)
    try:
        yield
    finally:
        os.environ.pop(name, None)
