"""Qwen3 on onnxruntime: load any decoder's graph, cut off its vocabulary matrix, run it. Extra `onnx`."""

from importlib.util import find_spec
from pathlib import Path

from yesrank.engine.base import Engine
from yesrank.engine.onnx.files import VARIANTS, OnnxFile, variant_file, variants_of
from yesrank.errors import MissingExtra

__all__ = [
    "VARIANTS",
    "OnnxFile",
    "check_device",
    "check_installed",
    "check_variant",
    "devices",
    "open_engine",
    "variant_file",
    "variants_of",
]


def check_variant(folder: Path, variant: str | None = None) -> OnnxFile:
    """The file of a variant (None: the default one): whole, with its data files, and a decoder's graph.

    Raises as open_engine does; no weights are read.
    """
    check_installed()
    from yesrank.engine.onnx.graph import decoder
    from yesrank.engine.onnx.skim import skim

    file = variant_file(folder, variant)
    decoder(skim(file.path))
    return file


def devices() -> tuple[str, ...]:
    """Names for `device` that this onnxruntime can run on. Raises MissingExtra."""
    check_installed()
    from yesrank.engine.onnx.providers import devices as known

    return known()


def check_device(device: str) -> None:
    """Raises DeviceMissing where this onnxruntime has nothing for it, MissingExtra."""
    check_installed()
    from yesrank.engine.onnx.providers import provider_of

    provider_of(device.upper())


def check_installed() -> None:
    """Raises MissingExtra where onnx or onnxruntime is not installed."""
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtra(package, "onnx")


def open_engine(folder: Path, *, device: str = "CPU", variant: str | None = None) -> Engine:
    """See load.open_engine. Raises MissingExtra too."""
    check_installed()
    from yesrank.engine.onnx.load import open_engine as load

    return load(folder, device=device, variant=variant)
