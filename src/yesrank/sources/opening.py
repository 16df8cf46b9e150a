"""A path -> its tensors, and the folder of the small files that belong to them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from yesrank.errors import InputError
from yesrank.sources.base import Tensors
from yesrank.sources.files import SafetensorsFiles
from yesrank.sources.gguf import GgufFile
from yesrank.sources.ggufmeta import (
    RERANK_TEMPLATE,
    check_tokenizer,
    config_of,
    notes_of,
    tokenizer_config_of,
    tokenizer_of,
)
from yesrank.sources.packed import Dequantised, config_at
from yesrank.sources.schemes import note_of, scheme_of
from yesrank.tensorplaces import gguf_of, refuse_what_is_no_checkpoint, weight_files

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Opened:
    """folder: with config.json, tokenizer.json and the like. notes: what is not as it seems, for a person to read."""

    tensors: Tensors
    folder: Path
    notes: tuple[str, ...] = ()


def open_tensors(path: Path, tokenizer: Path | None = None) -> Opened:
    """Opens a checkpoint folder, a GGUF file, or a folder that holds one.

    tokenizer: a folder whose tokenizer.json is used, for GGUF files. Raises ModelNotFound, UnsupportedModel,
    CheckpointError, MissingExtra or InputError.
    """
    refuse_what_is_no_checkpoint(path)
    file = gguf_of(path)
    if file is not None:
        return _open_gguf(file, tokenizer)
    if tokenizer is not None:
        raise InputError("tokenizer", "is for GGUF files; a folder has its own", "leave --tokenizer out")
    files = SafetensorsFiles(path, weight_files(path))
    found = scheme_of(config_at(path))
    if found is None:
        return Opened(files, path)
    scheme, name = found
    dequantised = Dequantised(files, scheme)
    return Opened(dequantised, path, (note_of(name),) if dequantised.modules else ())


def _open_gguf(path: Path, tokenizer: Path | None) -> Opened:
    tensors = GgufFile(path)
    shapes = {name: tensors.shape(name) for name in tensors.names()}
    status = path.stat()
    folder = _small_files(path, (status.st_size, status.st_mtime_ns), tokenizer)
    (folder / "config.json").write_text(json.dumps(config_of(path, tensors.metadata, shapes), indent=2))
    if tokenizer is not None:
        check_tokenizer(path, tensors.metadata, tokenizer)
        for name in _TOKENIZER:
            if (tokenizer / name).is_file():
                (folder / name).write_bytes((tokenizer / name).read_bytes())
    else:
        made = (tokenizer_of(path, tensors.metadata), tokenizer_config_of(tensors.metadata))
        for name, content in zip(_TOKENIZER, made, strict=True):
            (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    template = tensors.metadata.get("tokenizer.chat_template.rerank")
    if template is not None:
        (folder / RERANK_TEMPLATE).write_text(template, encoding="utf-8", newline="")
    return Opened(tensors, folder, notes_of(tensors.metadata, shapes, tensors.kinds))


def _small_files(path: Path, state: tuple[int, int], tokenizer: Path | None) -> Path:
    """A folder of this process for a file as it is: whoever has opened it may read there until the end."""
    return Path(_temporary(path, state, tokenizer).name)


@cache
def _temporary(path: Path, state: tuple[int, int], tokenizer: Path | None) -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="yesrank-gguf-")
