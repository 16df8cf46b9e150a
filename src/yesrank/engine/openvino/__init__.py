"""Qwen3 on OpenVINO: load any stateful IR, rewrite its graph, run it.

OpenVINO has no wheels for some platforms (Intel Macs, Windows on ARM, ...): there it is not installed with yesrank.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from yesrank.engine.base import Engine
from yesrank.errors import without_openvino
from yesrank.types import FloatArray, Prompt

__all__ = [
    "check_device",
    "check_graph",
    "check_installed",
    "is_installed",
    "layer_states",
    "open_engine",
    "precisions",
]


def is_installed() -> bool:
    """Whether openvino can be imported."""
    return find_spec("openvino") is not None


def check_installed() -> None:
    """Raises MissingExtra where openvino is not installed."""
    if not is_installed():
        raise without_openvino()


def check_device(device: str) -> None:
    """See devices.check_device. Raises MissingExtra too."""
    check_installed()
    from yesrank.engine.openvino.devices import check_device as check

    check(device)


def check_graph(folder: Path) -> None:
    """See load.check_graph. Where openvino is not installed, only the files' form is checked."""
    if is_installed():
        from yesrank.engine.openvino.load import check_graph as check

        check(folder)
    else:
        from yesrank.engine.openvino.files import check_ir

        check_ir(folder)


def open_engine(
    folder: Path, *, device: str = "CPU", precision: str = "auto", paged: bool | None = None
) -> Engine:
    """See load.open_engine. Raises MissingExtra too."""
    check_installed()
    from yesrank.engine.openvino.load import open_engine as load

    return load(folder, device=device, precision=precision, paged=paged)


def layer_states(
    folder: Path, prompts: Sequence[Prompt], *, device: str = "CPU", precision: str = "auto"
) -> FloatArray:
    """See load.layer_states. Raises MissingExtra too."""
    check_installed()
    from yesrank.engine.openvino.load import layer_states as states

    return states(folder, prompts, device=device, precision=precision)


def precisions(folder: Path, *, device: str = "CPU") -> tuple[str, ...]:
    """See load.precisions. Raises MissingExtra too."""
    check_installed()
    from yesrank.engine.openvino.load import precisions as known

    return known(folder, device=device)
