"""A model file as a recipe: what of it is computed from a checkpoint, and the rest as it is.

The built-in model is in the package once, as a checkpoint. Its int8 files hold the same matrices, quantised: a recipe
puts each of them where it was in the file, so that the file comes out byte for byte, in a moment and without the
libraries that wrote it. The SHA-256 of what comes out is the caller's to check.

Form of a recipe: a line of JSON, then the zlib stream of all other bytes of the file one after another. The JSON is a
list in the file's order: [name of a tensor, form], or a number of other bytes.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.onnx.pack import s8
from yesrank.convert.quantize import Array, asymmetric
from yesrank.errors import ModelError
from yesrank.types import FloatArray

Step = int | tuple[str, str]

FORMS: Mapping[str, Callable[[FloatArray], Array]] = {
    "u8": lambda matrix: asymmetric(matrix, 8)[0],
    "s8": lambda matrix: s8(matrix)["values"],
    "s8t": lambda matrix: np.ascontiguousarray(s8(matrix)["values"].T),
}
"""What becomes of a float32 [O, I] matrix: OpenVINO's values, those of an ONNX table, those of an ONNX product."""


def written(file: bytes, checkpoint: Checkpoint) -> bytes:
    """The recipe of a file that was made from the checkpoint."""
    steps: list[Step] = []
    rest = bytearray()
    at = 0
    for begin, name, form, size in _found(file, checkpoint):
        if begin > at:
            steps.append(begin - at)
            rest += file[at:begin]
        steps.append((name, form))
        at = begin + size
    steps.append(len(file) - at)
    rest += file[at:]
    return json.dumps(steps).encode() + b"\n" + zlib.compress(bytes(rest), 9)


def follow(recipe: bytes, checkpoint: Checkpoint) -> Iterator[bytes]:
    """The parts of the file, one after another. Raises ModelError for a damaged recipe, and as Checkpoint."""
    try:
        line, _, packed = recipe.partition(b"\n")
        steps, rest = json.loads(line), memoryview(zlib.decompress(packed))
    except (ValueError, zlib.error) as error:
        raise ModelError(
            f"a recipe of the built-in model is damaged: {error}", "install yesrank again"
        ) from error
    at = 0
    for step in steps:
        if isinstance(step, int):
            yield bytes(rest[at : at + step])
            at += step
        else:
            name, form = step
            yield FORMS[form](checkpoint.float32(name)).tobytes()


def _found(file: bytes, checkpoint: Checkpoint) -> list[tuple[int, str, str, int]]:
    """(where, tensor, form, bytes) of each matrix that is in the file, in the file's order."""
    found = {}
    for name in qwen3.tensors(checkpoint.config):
        if len(checkpoint.shape(name)) != 2:
            continue
        matrix = checkpoint.float32(name)
        for form, made in FORMS.items():
            content = made(matrix).tobytes()
            begin = file.find(content)
            if begin >= 0:
                found[begin] = (begin, name, form, len(content))
                break
    return [found[begin] for begin in sorted(found)]
