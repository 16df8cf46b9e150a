"""What every converted folder holds besides the model, whatever its format, and how its making is reported."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from safetensors.numpy import save

from yesrank import qwen3
from yesrank.asking import Asking
from yesrank.checkpoint import Checkpoint
from yesrank.errors import CheckpointError
from yesrank.kinds import EMBEDDING, RERANKER
from yesrank.manifest import HEAD_FILE, HEAD_TENSOR, FileEntry, Manifest, OnnxFiles, sha256
from yesrank.qwen3 import read_config
from yesrank.sources.schemes import QUANTISATION
from yesrank.templates import is_own
from yesrank.tokens import MODEL_CARD_MAX_LENGTH, PromptEncoder

_PADDING = "<|endoftext|>"
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


class ConvertProgress(Protocol):
    """Called from time to time, always from the caller's thread."""

    def __call__(self, tensors: int, of_tensors: int, done: int, total: int, /) -> None:
        """Tensors packed so far, of how many; bytes packed, written and read back so far, of how many."""


@contextmanager
def hashing(files: Sequence[Path]) -> Iterator[Callable[[], dict[str, str]]]:
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


class Meter:
    """Turns what is finished into calls of the progress function."""

    def __init__(self, tensors: int, total: int, progress: ConvertProgress | None) -> None:
        """total: bytes of everything that will be told of."""
        self._of_tensors, self._total = tensors, total
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


def copy_files(checkpoint: Checkpoint, folder: Path) -> None:
    """Copies COPIED, as far as they are there. config.json says what holds, where it did not."""
    for name in COPIED:
        if (checkpoint.folder / name).is_file():
            shutil.copyfile(checkpoint.folder / name, folder / name)
    config = true_config(checkpoint)
    if config != read_config(checkpoint.folder):
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def true_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """The content of config.json, embeddings tied only where the checkpoint's are, and nothing of a quantisation."""
    config, tied = read_config(checkpoint.folder), checkpoint.config.tie_word_embeddings
    config = {key: value for key, value in config.items() if key not in QUANTISATION}
    if checkpoint.decoder_only or bool(config.get("tie_word_embeddings")) == tied:
        return config
    return {**config, "tie_word_embeddings": tied}


def one_label(checkpoint: Checkpoint) -> dict[str, Any]:
    """What config.json says of one label. Without pad_token_id transformers takes no batches."""
    config: dict[str, Any] = {
        "architectures": [qwen3.CLASSIFIER],
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "num_labels": 1,
        "tie_word_embeddings": False,
    }
    if read_config(checkpoint.folder).get("pad_token_id") is None:
        padding = PromptEncoder.from_folder(checkpoint.folder).control_id(_PADDING)
        config |= {} if padding is None else {"pad_token_id": padding}
    return config


def copied_bytes(source: Path) -> int:
    """The size of what copy_files copies."""
    return sum((source / name).stat().st_size for name in COPIED if (source / name).is_file())


def write_head(folder: Path, checkpoint: Checkpoint, answers: dict[str, int]) -> None:
    """Writes the exact rows of the answers, float32 [2, D]."""
    rows = checkpoint.output_rows(list(answers.values()))
    (folder / HEAD_FILE).write_bytes(save({HEAD_TENSOR: rows}))


def answer_ids(checkpoint: Checkpoint, asked: Asking) -> dict[str, int]:
    """Token ids of yes and no, or of what stands for them. Raises ModelError for a tokenizer of another model.

    InputError where it cannot spell the template: found out before the work.
    """
    encoder = PromptEncoder.from_folder(checkpoint.folder)
    if is_own(asked.template):
        encoder.check_template(asked.template)
    ids = asked.answers or (encoder.answer_id("yes"), encoder.answer_id("no"))
    answers = dict(zip(("yes", "no"), ids, strict=True))
    if max(answers.values()) >= checkpoint.config.outputs:
        raise CheckpointError(
            f"{checkpoint.path}: tokenizer.json has more tokens than the model ({checkpoint.config.vocab_size})",
            "tokenizer.json and weights are of different models: download both again",
        )
    return answers


def manifest_of(
    folder: Path,
    checkpoint: Checkpoint,
    *,
    weights: str,
    asked: Asking | None,
    answers: dict[str, int],
    source_files: dict[str, str],
    meter: Meter,
    onnx: OnnxFiles | None = None,
    smooth: bool = False,
) -> Manifest:
    """The manifest of a folder that is complete but for it. Reads and hashes every file. asked: None for embedders."""
    name, revision = _origin(checkpoint.path)
    return Manifest(
        yesrank=version("yesrank"),
        source=name,
        revision=revision,
        source_files=source_files,
        weights=weights,
        template=asked.template.name if asked else "none",
        answers=answers,
        max_length=min(MODEL_CARD_MAX_LENGTH, checkpoint.config.longest),
        limit=checkpoint.config.longest,
        files=_entries(folder, meter),
        onnx=onnx,
        smooth=smooth,
        instruction=asked.instruction if asked else None,
        kind=RERANKER if asked else EMBEDDING,
    )


def _origin(source: Path) -> tuple[str, str | None]:
    """Name and revision of a checkpoint: from the path in a Hugging Face cache, else the folder's name.

    Such a path ends in models--OWNER--NAME/snapshots/REVISION.
    """
    path = source.absolute()
    cache = path.parent.parent.name
    if path.parent.name == "snapshots" and cache.startswith("models--"):
        return cache.removeprefix("models--").replace("--", "/"), path.name
    return path.name, None


def _entries(folder: Path, meter: Meter) -> dict[str, FileEntry]:
    """Every file of the folder, hashed as it is on disk."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): FileEntry(path.stat().st_size, sha256(path, meter.did))
        for path in paths
    }
