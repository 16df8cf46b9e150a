"""Which ONNX variants a folder holds, and whether their files are whole. Needs neither onnx nor onnxruntime."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from yesrank.errors import InputError, ModelError, ModelNotFound
from yesrank.filekinds import in_place_of

SUFFIXES: Mapping[str, str] = {
    "int8": "_int8",
    "q8": "_quantized",
    "fp32": "",
    "q4": "_q4",
    "fp16": "_fp16",
    "q4f16": "_q4f16",
    "uint8": "_uint8",
    "bnb4": "_bnb4",
    "yesno-q8": "_yesno_quantized",
    "yesno-int8": "_yesno_int8",
    "yesno-fp32": "_yesno",
    "yesno-q4": "_yesno_q4",
    "yesno-fp16": "_yesno_fp16",
    "yesno-q4f16": "_yesno_q4f16",
}
"""Variant, as Transformers.js calls its dtype -> what follows `model` in the file's name. The default one first.

int8, where we wrote it, scales each row's activations on its own: about as fast as q8, with half of its error or less.
q8 comes next because float32 arithmetic is several times slower, q4 after that: it saves memory, not time. The 16-bit
ones are for devices that compute in 16 bits; a CPU widens them at every call. yesno: graphs with two logits, as some
publish them beside whole ones.
"""

VARIANTS = tuple(SUFFIXES)


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """One variant. path: its graph; bytes: of the graph and of the data files whose names begin with its name."""

    variant: str
    path: Path
    bytes: int


def graphs_among(names: Collection[str]) -> dict[str, str]:
    """Variant -> name of its graph, among the names of a folder's or repository's files. The default one comes first.

    Those in onnx/ only, where there are any.
    """
    for place in ("onnx/", ""):
        found = {variant: f"{place}model{suffix}.onnx" for variant, suffix in SUFFIXES.items()}
        if there := {variant: name for variant, name in found.items() if name in names}:
            return there
    return {}


def data_patterns(graph: str) -> tuple[str, str]:
    """Patterns for the names of a graph's data files: as Transformers.js and as PyTorch's exporter call them."""
    return f"{graph}_data*", f"{graph}.data*"


def variants_of(folder: Path) -> tuple[OnnxFile, ...]:
    """The variants in folder/onnx, or in the folder itself where it has none there. The default one comes first."""
    names = {
        path.relative_to(folder).as_posix()
        for pattern in ("onnx/model*.onnx", "model*.onnx")
        for path in folder.glob(pattern)
        if path.is_file()
    }
    return tuple(
        OnnxFile(variant, folder / name, _bytes(folder / name))
        for variant, name in graphs_among(names).items()
    )


def variant_file(folder: Path, variant: str | None) -> OnnxFile:
    """The file of a variant, None for the default one. Raises InputError, ModelNotFound or ModelError."""
    if variant is not None and variant not in SUFFIXES:
        raise InputError("variant", f"{variant!r} is not known", f"use one of: {', '.join(VARIANTS)}")
    found = variants_of(folder)
    if not found:
        raise ModelNotFound(
            f"{folder} has no onnx/model*.onnx",
            "convert a checkpoint with: yesrank convert SRC DST --format onnx",
        )
    chosen = next((file for file in found if variant in (None, file.variant)), None)
    if chosen is None:
        raise ModelNotFound(
            f"{folder} has no variant {variant} ({found[0].path.parent.name}/model{SUFFIXES[str(variant)]}.onnx)",
            f"it has {', '.join(file.variant for file in found)}; to make others: "
            "yesrank convert SRC DST --format onnx --variants all; to download one that is published: "
            f"yesrank pull OWNER/NAME --variant {variant} --name NAME",
        )
    if chosen.path.stat().st_size == 0:
        raise ModelError(
            f"{chosen.path} is empty (0 bytes): the export or download that wrote it did not finish",
            "convert or download the model again",
        )
    for path in (chosen.path, *_data(chosen.path)):
        if found_there := in_place_of(path):
            raise ModelError(f"{path} is {found_there[0]}", found_there[1])
    return chosen


def _data(graph: Path) -> list[Path]:
    return [each for pattern in data_patterns(graph.name) for each in graph.parent.glob(pattern)]


def _bytes(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *_data(path)) if each.is_file())
