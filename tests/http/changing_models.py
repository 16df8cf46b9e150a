"""Models that come, go and change, and what they answer where nothing changes."""

import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from random_models import CONFIG
from small_tokenizers import small_tokenizer_json

from yesrank import Reranker
from yesrank.convert import convert
from yesrank.convert.onnx import convert_onnx
from yesrank.randomweights import write_random_checkpoint
from yesrank.store import Entry, builtin_entry

SOUND = ("builtin", "small", "graph")
BROKEN = ("damaged", "gpu", "gone")
WORDS = (
    *(
        "dog",
        "cat",
        "bark",
        "roof",
        "rain",
        "city",
        "Paris",
        "capital",
        "yellow",
        "banana",
        "engine",
        "matrix",
    ),
    *(
        "query",
        "passage",
        "answer",
        "number",
        "licence",
        "warranty",
        "work",
        "notice",
        "the",
        "of",
        "and",
        "a",
        "in",
    ),
)


@dataclass(frozen=True)
class Question:
    """known: (logits, scores) of each model, in the documents' order."""

    query: str
    documents: tuple[str, ...]
    known: Mapping[str, tuple[list[float], list[float]]] = field(default_factory=dict)


def make_models(root: Path) -> None:
    """Two small models that "moving" is by turns, a copy, an ONNX folder, and those that cannot be used."""
    for name, seed in (("a", 7), ("b", 8)):
        source = root / f"source-{name}"
        source.mkdir(parents=True)
        write_random_checkpoint(source, CONFIG, seed=seed)
        (source / "tokenizer.json").write_text(small_tokenizer_json(), encoding="utf-8")
        convert(source, root / name, weights="bf16")
    convert_onnx(root / "source-a", root / "graph", variants=("q8",))
    for name in ("small", "moving", "gpu", "damaged"):
        shutil.copytree(root / "a", root / name)
    weights = root / "damaged" / "openvino_model.bin"
    os.truncate(weights, weights.stat().st_size // 2)


def entries(root: Path) -> list[Entry]:
    """As they are served."""
    return [
        builtin_entry(),
        Entry("small", root / "small"),
        Entry("graph", root / "graph", engine="onnx"),
        Entry("moving", root / "moving"),
        Entry("damaged", root / "damaged"),
        Entry("gpu", root / "gpu", device="GPU"),
        Entry("gone", root / "gone"),
    ]


def questions(root: Path, number: int, seed: int) -> list[Question]:
    """Random ones, a tenth of them long, with what each model answers outside of any server."""
    draw = random.Random(seed)
    text = lambda sizes: " ".join(draw.choices(WORDS, k=draw.choice(sizes)))  # noqa: E731
    asked = [
        (text([300, 700] if place % 40 == 9 else [2, 5, 12, 30]), [text([3, 3, 8, 40]) for _ in range(size)])
        for place, size in enumerate(draw.choices([1, 1, 2, 3, 3, 6, 12], k=number))
    ]
    folders: dict[str, Path | None] = {"builtin": None, "small": root / "small", "a": root / "a"}
    folders |= {"b": root / "b", "graph": root / "graph"}
    known: list[dict[str, tuple[list[float], list[float]]]] = [{} for _ in asked]
    for name, folder in folders.items():
        with Reranker(folder, engine="onnx" if name == "graph" else None) as reranker:
            for place, (query, documents) in enumerate(asked):
                found = reranker.score([(query, document) for document in documents])
                known[place][name] = found.logits.tolist(), found.scores.tolist()
    return [Question(query, tuple(texts), known[place]) for place, (query, texts) in enumerate(asked)]


class Mover(threading.Thread):
    """Changes a folder of a model again and again, in all the ways in which folders change."""

    def __init__(self, root: Path, seed: int, pauses: Sequence[float]) -> None:
        super().__init__(daemon=True)
        self._root, self._random, self._pauses = root, random.Random(seed), pauses
        self.over = threading.Event()
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        while not self.over.wait(self._random.choice(self._pauses)):
            kind = self._random.choice(["touch", "truncate", "zero", "replace", "copy", "unlink", "copy"])
            with suppress(FileNotFoundError):
                getattr(self, f"_{kind}")(self._root / "moving")
            self.done[kind] += 1
        self._copy(self._root / "moving")

    def _file(self, folder: Path) -> Path:
        return folder / self._random.choice([path.name for path in (self._root / "a").iterdir()])

    def _source(self) -> list[Path]:
        files = [*(self._root / self._random.choice("ab")).iterdir()]
        return self._random.sample(files, len(files))

    def _touch(self, folder: Path) -> None:
        os.utime(self._file(folder))

    def _truncate(self, folder: Path) -> None:
        os.truncate(self._file(folder), self._random.choice([0, 100, 5000]))

    def _zero(self, folder: Path) -> None:
        with (folder / "openvino_model.bin").open("r+b") as file:
            file.seek(self._random.randrange(100_000))
            file.write(bytes(65536))

    def _replace(self, folder: Path) -> None:
        for file in self._source():
            shutil.copy(file, folder / f"{file.name}.tmp")
            (folder / f"{file.name}.tmp").replace(folder / file.name)

    def _copy(self, folder: Path) -> None:
        for file in self._source():
            shutil.copyfile(file, folder / file.name)

    def _unlink(self, folder: Path) -> None:
        self._file(folder).unlink()
