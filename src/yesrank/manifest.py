"""yesrank.json: what a model folder was made from, how, and what belongs to it."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yesrank.errors import ModelError

FILE = "yesrank.json"
FORMAT = 1
HEAD_FILE, HEAD_TENSOR = "head.safetensors", "yes_no"

_AGAIN = "convert the checkpoint again, or delete yesrank.json to load the folder without its manifest"
_CHUNK = 1 << 22
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the folder: its size in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """What the onnx files of a folder are.

    head: one of convert.HEADS. variants: their Transformers.js dtypes, such as q8 or int8.
    """

    head: str
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of yesrank.json.

    yesrank: the version that wrote it. source: Hugging Face id or folder name of the checkpoint; revision: its
    commit, where known; source_files: its safetensors files and their SHA-256. weights, template: names of
    choices made at conversion. answers: token ids by word. max_length: default number of tokens of a prompt;
    limit: the most that may be asked for. files: every other file of the folder, with / between folder and name.
    onnx: None for an OpenVINO folder, whose manifest does not mention it. smooth: whether outliers were moved before
    the weights were rounded (yesrank.smooth); mentioned only where it is so. instruction: the default one, where the
    checkpoint says it. kind: "reranker", or "embedding", which alone is mentioned; that has no answers, and the
    template "none": its prompts are in the files that sentence-transformers reads.
    """

    yesrank: str
    source: str
    revision: str | None
    source_files: Mapping[str, str]
    weights: str
    template: str
    answers: Mapping[str, int]
    max_length: int
    limit: int
    files: Mapping[str, FileEntry]
    onnx: OnnxFiles | None = None
    smooth: bool = False
    instruction: str | None = None
    kind: str = "reranker"

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        onnx = self.onnx
        extra: dict[str, Any] = {"smooth": True} if self.smooth else {}
        if self.instruction is not None:
            extra["instruction"] = self.instruction
        if self.kind != "reranker":
            extra["kind"] = self.kind
        if onnx is not None:
            extra["onnx"] = {"head": onnx.head, "variants": list(onnx.variants)}
        return {
            "format": FORMAT,
            "yesrank": self.yesrank,
            "source": {"name": self.source, "revision": self.revision, "files": dict(self.source_files)},
            "weights": self.weights,
            "template": self.template,
            "answers": dict(self.answers),
            "max_length": self.max_length,
            "limit": self.limit,
            **extra,
            "files": {name: {"bytes": e.bytes, "sha256": e.sha256} for name, e in self.files.items()},
        }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes folder/yesrank.json."""
    text = json.dumps(manifest.as_dict(), indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where it has none (published by others). Raises ModelError for a bad one.

    Every key must be present and of its kind, and no key may be unknown: a manifest that says more than is
    understood here comes from another version.
    """
    path = folder / FILE
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):  # the second of a model that is a file
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}", _AGAIN) from error
    try:
        return _parse(data)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{path} is not a valid manifest: {what}", _AGAIN) from error


def check_files(folder: Path, manifest: Manifest, *, hashes: bool = False) -> None:
    """Compares the folder with its manifest: sizes, and with `hashes` contents too (reads every byte).

    Raises ModelError for the first file that is missing or differs.
    """
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(
                f"{path} is missing", "convert the checkpoint again, or copy the whole folder again"
            )
        if path.stat().st_size != entry.bytes:
            raise ModelError(
                f"{path} has {path.stat().st_size} bytes, its manifest says {entry.bytes}",
                "the copy is incomplete or altered: convert or copy again",
            )
        if hashes and sha256(path) != entry.sha256:
            raise ModelError(f"{path} differs from its manifest (SHA-256)", "convert or copy again")


def without_absent_variants(folder: Path, manifest: Manifest) -> Manifest:
    """Of the ONNX files, those whose graph is here: each variant is of use alone, and may have come alone."""

    def is_here(name: str) -> bool:
        graph = name.partition(".onnx")[0] + ".onnx"
        return not name.startswith("onnx/") or (folder / graph).exists()

    return replace(manifest, files={name: entry for name, entry in manifest.files.items() if is_here(name)})


def sha256(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Hash of a file in hexadecimal. progress is called with the number of bytes read since the last call."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if progress is not None:
                progress(len(chunk))
    return digest.hexdigest()


def _parse(data: Any) -> Manifest:
    if not isinstance(data, dict):
        raise TypeError("it is not a JSON object")
    if data.get("format") != FORMAT:
        raise ValueError(
            f"it has format {data.get('format')!r}, this version of yesrank reads {FORMAT}: upgrade yesrank"
        )
    source = _object(data["source"], "source", {"name", "revision", "files"})
    manifest = Manifest(
        yesrank=_text(data["yesrank"], "yesrank"),
        source=_text(source["name"], "source.name"),
        revision=None if source["revision"] is None else _text(source["revision"], "source.revision"),
        source_files={
            name: _hash(value, name) for name, value in _object(source["files"], "source.files").items()
        },
        weights=_text(data["weights"], "weights"),
        template=_text(data["template"], "template"),
        answers={word: _number(value, word) for word, value in _object(data["answers"], "answers").items()},
        max_length=_number(data["max_length"], "max_length"),
        limit=_number(data["limit"], "limit"),
        files={name: _entry(value, name) for name, value in _object(data["files"], "files").items()},
        onnx=_onnx(data["onnx"]) if "onnx" in data else None,
        smooth=_true(data["smooth"], "smooth") if "smooth" in data else False,
        instruction=_text(data["instruction"], "instruction") if "instruction" in data else None,
        kind=_kind(data["kind"]) if "kind" in data else "reranker",
    )
    _object(data, "the manifest", set(manifest.as_dict()))
    return manifest


def _onnx(value: Any) -> OnnxFiles:
    fields = _object(value, "onnx", {"head", "variants"})
    variants = fields["variants"]
    if not isinstance(variants, list):
        raise TypeError("onnx.variants is not a list")
    names = tuple(_text(name, "onnx.variants") for name in variants)
    return OnnxFiles(_text(fields["head"], "onnx.head"), names)


def _entry(value: Any, name: str) -> FileEntry:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"files names {name!r}, which is outside the folder")
    fields = _object(value, name, {"bytes", "sha256"})
    return FileEntry(_number(fields["bytes"], f"{name}.bytes"), _hash(fields["sha256"], name))


def _object(value: Any, name: str, keys: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is not an object")
    if keys is not None and (unknown := sorted(set(value) - keys)):
        raise ValueError(f"{name} has unknown keys: {', '.join(unknown)}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a string")
    return value


def _number(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{name} is not a whole number")
    return value


def _true(value: Any, name: str) -> bool:
    if value is not True:
        raise TypeError(f"{name} is neither absent nor true")
    return True


def _kind(value: Any) -> str:
    if value != "embedding":
        raise ValueError(f"kind is neither absent nor embedding, but {value!r}")
    return str(value)


def _hash(value: Any, name: str) -> str:
    if not _SHA256.fullmatch(_text(value, name)):
        raise ValueError(f"{name} has no valid SHA-256")
    return str(value)
