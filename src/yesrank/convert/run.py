"""Checkpoint -> model folder: reads, packs, writes, checks, and only then shows the result."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Protocol

import openvino as ov
from safetensors.numpy import save

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert import openvino as emitter
from yesrank.convert.check import check
from yesrank.convert.quantize import Packed
from yesrank.convert.staging import staged
from yesrank.convert.tokenizer import require_packages, write_tokenizer_ir
from yesrank.convert.weights import Packer, planned_bytes, stored_bytes
from yesrank.errors import CheckpointError
from yesrank.manifest import HEAD_FILE, HEAD_TENSOR, FileEntry, Manifest, sha256, write_manifest
from yesrank.prompt import template_named
from yesrank.qwen3 import Qwen3Config
from yesrank.tokens import MODEL_CARD_MAX_LENGTH, PromptEncoder
from yesrank.types import FloatArray

MODEL_CARD_LIMIT = 32768
"""The longest prompt that the model card vouches for."""

COPIED = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "LICENSE",
    "NOTICE",
)

_XML_PER_LAYER = 1 << 18  # an upper bound; 92 KB were measured
_MARGIN = 16 << 20


class ConvertProgress(Protocol):
    """Called from time to time, always from the caller's thread."""

    def __call__(self, tensors: int, of_tensors: int, done: int, total: int, /) -> None:
        """Tensors packed so far, of how many; bytes packed, written and read back so far, of how many."""


def convert(
    source: Path,
    target: Path,
    *,
    weights: str = "int8",
    tokenizer_ir: bool = False,
    template: str = "card",
    progress: ConvertProgress | None = None,
) -> Manifest:
    """Makes the OpenVINO model folder `target` from the checkpoint folder `source`, whole or not at all.

    weights: one of weights.KINDS. tokenizer_ir: also write openvino_tokenizer and openvino_detokenizer.
    Peak memory is the size of the output plus less than 1 GB. Raises ModelError (and below) for a checkpoint that
    cannot be used, InputError for an existing target or unknown option, NoSpace and ConversionError where
    writing fails, MissingExtra where tokenizer_ir needs a package. After any error nothing stands at `target`.
    """
    template_named(template)
    if tokenizer_ir:
        require_packages()
    checkpoint = Checkpoint(source)
    planned = planned_bytes(checkpoint.config, weights)
    answers = _answers(checkpoint)
    needed = planned + _overhead(checkpoint)
    meter = _Meter(len(qwen3.tensors(checkpoint.config)), planned, progress)
    with staged(target, needed) as folder, _hashing(checkpoint.files) as hashes:
        _write_model(folder, checkpoint, weights, meter)
        _copy(source, folder)
        rows = checkpoint.output_rows(list(answers.values()))
        (folder / HEAD_FILE).write_bytes(save({HEAD_TENSOR: rows}))
        if tokenizer_ir:
            write_tokenizer_ir(folder)
        check(folder, checkpoint, weights, planned)
        name, revision = _origin(source)
        manifest = Manifest(
            yesrank=version("yesrank"),
            source=name,
            revision=revision,
            source_files=hashes(),
            weights=weights,
            template=template,
            answers=answers,
            max_length=min(MODEL_CARD_MAX_LENGTH, _limit(checkpoint.config)),
            limit=_limit(checkpoint.config),
            files=_entries(folder, meter),
        )
        write_manifest(folder, manifest)
    return manifest


@contextmanager
def _hashing(files: Sequence[Path]) -> Iterator[Callable[[], dict[str, str]]]:
    """Hashes files in the background, and gives up where the block is left early. Yields a wait for the result."""
    left = Event()

    def stop_if_left(_: int) -> None:
        if left.is_set():
            raise CancelledError

    with ThreadPoolExecutor(1) as pool:
        futures = {path.name: pool.submit(sha256, path, stop_if_left) for path in files}
        try:
            yield lambda: {name: future.result() for name, future in futures.items()}
        finally:
            left.set()


class _Meter:
    """Turns what is finished into calls of the progress function."""

    def __init__(self, tensors: int, planned: int, progress: ConvertProgress | None) -> None:
        self._of_tensors, self._total = tensors, 3 * planned  # packed, written, read back
        self._progress = progress
        self._tensors, self._bytes = 0, 0.0

    def packed(self) -> None:
        """One more tensor is packed."""
        self._tensors += 1
        self.did(0)

    def did(self, size: float) -> None:
        """So many more bytes are done."""
        self._bytes = min(self._bytes + size, self._total)
        if self._progress is not None:
            self._progress(self._tensors, self._of_tensors, int(self._bytes), self._total)


def _write_model(folder: Path, checkpoint: Checkpoint, weights: str, meter: _Meter) -> None:
    """Writes openvino_model.xml and .bin. The model is freed on return."""
    with Packer(checkpoint, weights) as packer:

        def matrix(name: str) -> Packed:
            shape = checkpoint.shape(name)
            row = stored_bytes(weights, name, shape) / shape[0]
            packed = packer.pack(name, lambda rows: meter.did(rows * row))
            meter.packed()
            return packed

        def norm(name: str) -> FloatArray:
            meter.packed()
            return checkpoint.float32(name)

        model = emitter.build(checkpoint.config, matrix, norm)
    # As optimum-intel writes it: keeps float16 activations on GPUs from overflowing. CPUs ignore it.
    model.set_rt_info("8.0", ["runtime_options", "ACTIVATIONS_SCALE_FACTOR"])
    model.set_rt_info(version("yesrank"), ["yesrank", "version"])
    model.set_rt_info(weights, ["yesrank", "weights"])
    ov.serialize(model, folder / "openvino_model.xml", folder / "openvino_model.bin")
    meter.did((folder / "openvino_model.bin").stat().st_size)


def _copy(source: Path, folder: Path) -> None:
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _overhead(checkpoint: Checkpoint) -> int:
    """Bytes that the folder takes besides the tensors: XML, copied files, tokenizer IR, head."""
    copied = sum(
        (checkpoint.folder / name).stat().st_size for name in COPIED if (checkpoint.folder / name).is_file()
    )
    return 4 * copied + _XML_PER_LAYER * checkpoint.config.num_hidden_layers + _MARGIN


def _answers(checkpoint: Checkpoint) -> dict[str, int]:
    encoder = PromptEncoder.from_folder(checkpoint.folder)
    answers = {word: encoder.answer_id(word) for word in ("yes", "no")}
    if max(answers.values()) >= checkpoint.config.vocab_size:
        raise CheckpointError(
            f"{checkpoint.folder}: tokenizer.json has more tokens than the model ({checkpoint.config.vocab_size})",
            "tokenizer.json and weights are of different models: download both again",
        )
    return answers


def _limit(config: Qwen3Config) -> int:
    return min(MODEL_CARD_LIMIT, config.max_position_embeddings)


def _origin(source: Path) -> tuple[str, str | None]:
    """Name and revision of a checkpoint: from the path in a Hugging Face cache, else the folder's name.

    Such a path ends in models--OWNER--NAME/snapshots/REVISION.
    """
    path = source.absolute()
    cache = path.parent.parent.name
    if path.parent.name == "snapshots" and cache.startswith("models--"):
        return cache.removeprefix("models--").replace("--", "/"), path.name
    return path.name, None


def _entries(folder: Path, meter: _Meter) -> dict[str, FileEntry]:
    """Every file of the folder, hashed as it is on disk."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: FileEntry(path.stat().st_size, sha256(path, meter.did)) for path in paths}
