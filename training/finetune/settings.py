"""What a run is asked to do."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yesrank.errors import InputError
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES

MINING = ("bm25", "self", "none")
DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "bf16", "f32")
_WHERE = ("out", "pairs", "device", "threads", "save_every", "restart")
"""Options that do not change what is learnt; the files count by their content."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the command line; its help says what each does. None where the model's size decides."""

    model: str
    pairs: tuple[Path, ...]
    out: Path
    corpus: Path | None = None
    split: str = "train"
    positive_from: float = 0.5
    instruction: str = DEFAULT_INSTRUCTION
    template: str = "card"
    lora: int | None = None
    full: bool = False
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch: int = 8
    negatives: int = 7
    mine: str = "bm25"
    guard: float = 0.95
    max_length: int = 512
    lr: float | None = None
    bce: float = 0.2
    seed: int = 0
    dev: str | None = None
    evaluations: int = 10
    eval: Path | None = None
    eval_top_k: int = 20
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    save_every: float = 300.0
    restart: bool = False

    def __post_init__(self) -> None:
        """Raises InputError for what argparse cannot see."""
        limits = {
            "batch": self.batch, "negatives": self.negatives, "max-length": self.max_length, "lora": self.lora,
            "epochs": self.epochs, "steps": self.steps, "minutes": self.minutes, "lr": self.lr,
            "evaluations": self.evaluations, "eval-top-k": self.eval_top_k, "threads": self.threads,
            "guard": self.guard,
        }  # fmt: skip
        for name, value in limits.items():
            if value is not None and not value > 0:
                raise InputError(name, f"{value} is not above 0")
        if self.dev_share is not None and not 0 <= self.dev_share < 1:
            raise InputError("dev", f"{self.dev} is no share below 1", "write 0.02, or name a file of pairs")

    @property
    def dev_share(self) -> float | None:
        """The share of the queries to hold out, where one is given."""
        try:
            return None if self.dev is None else float(self.dev)
        except ValueError:
            return None

    @property
    def dev_file(self) -> Path | None:
        """The file of held-out pairs, where one is given."""
        return None if self.dev is None or self.dev_share is not None else Path(self.dev)

    def identity(self) -> dict[str, str]:
        """What a stopped run has to agree in to be continued; files by their hash."""
        found = {name: str(value) for name, value in asdict(self).items() if name not in _WHERE}
        files = [*self.pairs, *(path for path in (self.corpus, self.dev_file) if path)]
        found["content of the files"] = _hash(files)
        return found


def parse(arguments: list[str] | None = None) -> Settings:
    """The settings of a command line. Raises InputError; argparse itself ends the process with code 2."""
    given = vars(_parser().parse_args(arguments))
    return Settings(**{**given, "pairs": tuple(given["pairs"])})


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        for file in files:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.finetune",
        description="Fine-tune a Qwen3-Reranker, or the built-in model, on pairs of queries and documents. "
        "A stopped run goes on when the same command is given again.",
    )
    add = parser.add_argument
    add(
        "--model",
        required=True,
        help="folder of a safetensors checkpoint, or owner/name on the Hugging Face hub",
    )
    add("--pairs", required=True, nargs="+", type=Path, help="JSONL files (.gz too) or BEIR folders")
    add(
        "--out",
        required=True,
        type=Path,
        help="the new folder; FOLDER.training beside it holds a run's state",
    )
    _add_data(parser.add_argument_group("data"))
    _add_training(parser.add_argument_group("training"))
    _add_judging(parser.add_argument_group("judging"))
    _add_machine(parser.add_argument_group("machine"))
    return parser


def _add_data(group: Any) -> None:
    add: Any = group.add_argument
    add("--corpus", type=Path, help="JSONL of further documents to take negatives from")
    add("--split", default="train", help="judgments of a BEIR folder given as --pairs (train)")
    add("--positive-from", type=float, default=0.5, help="lowest label that means relevant (0.5)")
    add("--instruction", default=DEFAULT_INSTRUCTION, help="of lines without one")
    add("--template", choices=[*TEMPLATES], default="card")
    add("--negatives", type=int, default=7, help="for each positive (7)")
    add(
        "--mine",
        choices=MINING,
        default="bm25",
        help="bm25; self: BM25's hits sifted by the model; none (bm25)",
    )
    add(
        "--guard",
        type=float,
        default=0.95,
        help="self: drop hits above this share of the positive's score (0.95)",
    )
    add("--max-length", type=int, default=512, help="tokens of a prompt; longer documents are cut (512)")


def _add_training(group: Any) -> None:
    add: Any = group.add_argument
    kind = group.add_mutually_exclusive_group()
    kind.add_argument(
        "--lora", type=int, metavar="RANK", help="train adapters (default from 100 M parameters: 16)"
    )
    kind.add_argument(
        "--full", action="store_true", help="train all weights (default below 100 M parameters)"
    )
    length = group.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=float, help="passes over the pairs (2)")
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    add("--batch", type=int, default=8, help="groups of a positive and its negatives a step (8)")
    add("--lr", type=float, help="default 2e-4; 1e-5 for all weights of a large model")
    add(
        "--bce",
        type=float,
        default=0.2,
        help="weight of the binary loss, which keeps scores meaningful (0.2)",
    )
    add("--seed", type=int, default=0)


def _add_judging(group: Any) -> None:
    add: Any = group.add_argument
    add(
        "--dev",
        help="file of held-out pairs, or share of the queries to hold out (0.02, at least 20); 0: none",
    )
    add(
        "--evaluations",
        type=int,
        default=10,
        help="looks at the held-out pairs; the best weights are kept (10)",
    )
    add("--eval", type=Path, help="BEIR folder (split test) to rank before and after")
    add("--eval-top-k", type=int, default=20, help="how many of BM25's documents are reranked there (20)")


def _add_machine(group: Any) -> None:
    add: Any = group.add_argument
    add("--device", choices=DEVICES, default="auto")
    add(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of matrix products (bf16 where the hardware has it)",
    )
    add("--threads", type=int, help="of PyTorch on the CPU")
    add("--save-every", type=float, default=300.0, help="seconds (300)")
    add("--restart", action="store_true", help="forget a stopped run")
