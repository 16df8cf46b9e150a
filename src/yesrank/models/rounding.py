"""Whether a model bears int8 activations: w8a8 beside its own arithmetic without the rounding, before it is used.

A few channels far larger than the others leave the rest no levels, and what comes out is noise that looks like scores.
Some folders cannot be converted again with --smooth, so every folder is tried: once, since the result is remembered
for as long as its files, the engine and the machine stay the same.
"""

import platform
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from yesrank.engine.base import Engine
from yesrank.errors import InputError
from yesrank.models.folder import Folder
from yesrank.models.hashes import identity, recall_number, remember_number
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder
from yesrank.types import FloatArray, Prompt

USUAL, LARGEST = 0.05, 0.1
"""The hidden error |h' - h| / |h| that the rounding may add, on average over the prompts, without a word and at all.

Measured: 0.4 % for the built-in model, 2.3 and 3.1 % (the two ways to int8) for 28 layers of random weights. With
outliers planted in the built-in model, Kendall's tau to float32 was 0.87 at 1.2 %, 0.26 at 11 %, and scores were noise
at 28 % and more.
"""
_FILES = ("openvino_model.xml", "openvino_model.bin")
_QUERY = "At what temperature does water boil at sea level?"
_DOCUMENTS = (
    "At sea level water boils at 100 degrees Celsius, which is 212 degrees Fahrenheit.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "def boil(kettle: Kettle) -> None:\n    kettle.heat(until=100)",
    "В горах вода закипает раньше, чем на берегу моря.",
)


def open_rounded(folder: Folder, device: str, open_it: Callable[[str], Engine]) -> Engine:
    """The engine for w8a8. open_it: opens the folder by the name of a precision.

    The first time the folder is opened twice, one after the other: the larger of both is the peak of memory.
    Warns where the rounding adds more than USUAL. Raises InputError where it adds more than LARGEST, and as open_it.
    """
    key = _key(folder.path, device)
    error = recall_number(key)
    if error is not None:
        _check(error)
        return open_it("w8a8")
    prompts = _prompts(folder)
    exact = open_it("auto")
    try:
        expected = exact.encode(prompts)
    finally:
        exact.close()
    engine = open_it("w8a8")
    try:
        error = _mean_error(expected, engine.encode(prompts))
        remember_number(key, error)
        _check(error)
    except BaseException:
        engine.close()
        raise
    return engine


def _check(error: float) -> None:
    if error <= USUAL:
        return
    off = f"its last states are off by {error:.0%} on a few prompts ({USUAL:.0%} is usual)"
    if error <= LARGEST:
        warnings.warn(f"w8a8: {off}: compare its ranking with that of int8", stacklevel=2)
        return
    raise InputError(
        "precision",
        f"int8 activations do not suit this model: {off}",
        "use int8; or convert its checkpoint with --smooth, which moves outliers out of the way",
    )


def _mean_error(expected: FloatArray, found: FloatArray) -> float:
    off = np.linalg.norm(found - expected, axis=1)
    return float(np.mean(off / np.maximum(np.linalg.norm(expected, axis=1), np.float32(1e-30))))


def _prompts(folder: Folder) -> list[Prompt]:
    encoder = PromptEncoder.from_folder(folder.path)
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, _QUERY)
    return encoder.prompts(around, _DOCUMENTS, folder.max_length)


def _key(folder: Path, device: str) -> str:
    """Whatever the rounding's error depends on."""
    files = (":".join(identity(folder / name)) for name in _FILES)
    return " ".join(("w8a8", device, version("openvino"), version("yesrank"), platform.node(), *files))
