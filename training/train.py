"""Train the model: ``python -m training.train --data DIR --out DIR --minutes 30``.

DIR of ``--data`` holds what prepare, tokenizer and semantics wrote. ``--out`` receives ``train.log`` and
``checkpoint.pt``; started again with the same folder, training goes on from there. The schedule follows the
minutes spent, so a slower machine sees fewer groups but the same curve. ``--first`` goes on with a finished run or an
exported folder; where ``--data`` has teacher.npz, the teacher's likeness is part of what is wanted, and
``--meaning`` adds what it knows of words to the embedding first.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.batches import GROUPS, LONG, LONGEST, MIDDLE, SHORT, SIZE, Bucket, Sampler, pad
from training.model import Batch, Config, Reranker, compile_layers
from training.scoring import load_folder
from training.semantics import Semantics
from training.targets import Targets
from training.tokenizer import Encoder
from training.wiring import add_meaning, wire

log = logging.getLogger("training")

RATE, SECOND_RATE = 1e-3, 6e-4  # of a run from wired weights, and of one that begins with a trained model
WARMUP = 60  # steps
LONG_FROM, LONGEST_FROM = (
    0.6,
    0.85,
)  # shares of the time after which documents of up to 223 and 319 tokens are read
SECOND_LONGEST_FROM = 0.75  # of a run that begins with a trained model
HARDEST = 0.75  # share of mined negatives, reached at 60 % of the time
BCE_WEIGHT = 0.15
SAVE_EVERY = 150  # seconds


@dataclass(slots=True)
class Progress:
    """What has been done so far."""

    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0  # of the prompts as a plain computation would see them
    recent: list[tuple[float, float]] = field(default_factory=list)


def learning_rate(done: float, step: int, peak: float = RATE) -> float:
    """Warm-up, flat until 30 % of the time, then a cosine down to 3 %."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, (done - 0.3) / 0.7))))
    return peak * min(1.0, (step + 1) / WARMUP) * (0.03 + 0.97 * cosine)


def hardness(done: float) -> float:
    return HARDEST * min(1.0, max(0.0, (done - 0.1) / 0.5))


def shapes(done: float, first: bool) -> tuple[Bucket, ...]:
    """Short documents first: they cost less, and the matching they teach serves the longer ones."""
    if not first:
        return MIDDLE if done < SECOND_LONGEST_FROM else LONGEST
    if done < LONG_FROM:
        return SHORT
    return LONG if done < LONGEST_FROM else LONGEST


def losses(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the group's softmax (positive first), and a binary one that fixes the meaning of zero.

    wanted: shares ``[G, K]``. The binary target of a document is its share of the best one's.
    """
    softmax = F.cross_entropy(logits, wanted)
    target = wanted / wanted.amax(1, keepdim=True)
    binary = F.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor(3.0))
    return softmax, binary


def optimizer_for(model: Reranker) -> torch.optim.Optimizer:
    """AdamW; weight decay on the layers' matrices only."""
    matrices = [p for layer in model.layers for p in layer.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    kinds = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(kinds, lr=RATE, betas=(0.9, 0.98), fused=True)


def warm_up(model: Reranker, buckets: set[Bucket]) -> None:
    """Compile every shape before the clock starts."""
    for bucket in sorted(buckets):
        docs = [[[1] * bucket.doc] * SIZE] * GROUPS
        model(pad([[1] * bucket.head] * GROUPS, docs, bucket), torch.bfloat16).sum().backward()
        model.zero_grad()


def step(
    model: Reranker, optimizer: torch.optim.Optimizer, batch: Batch, wanted: Tensor
) -> tuple[float, float]:
    """One update; the softmax loss and the share of groups with the positive on top."""
    logits = model(batch, torch.bfloat16)
    softmax, binary = losses(logits, wanted)
    (softmax + BCE_WEIGHT * binary).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return softmax.item(), (logits.argmax(1) == 0).float().mean().item()


def prompt_tokens(batch: Batch) -> int:
    heads = (~batch.padding).sum() * batch.docs.shape[1]
    return int(heads + (batch.last + 1).sum())


def save(path: Path, content: dict[str, object]) -> None:
    """Write beside the target and rename, so that a kill leaves the old checkpoint whole."""
    torch.save(content, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def report(progress: Progress, rate: float, hard: float) -> None:
    loss, accuracy = np.mean(progress.recent, 0)
    progress.recent.clear()
    log.info(
        "step %d  %.2f min  loss %.3f  accuracy %.3f  rate %.1e  hard %.2f  %.1f M tokens  %.0f tokens/s",
        progress.steps, progress.seconds / 60, loss, accuracy, rate, hard,
        progress.tokens / 1e6, progress.tokens / progress.seconds,
    )  # fmt: skip


def build(data: Path, seed: int, first: Path | None, meaning: bool) -> tuple[Reranker, Sampler]:
    """A model, wired or trained before, and its source of groups."""
    torch.manual_seed(seed)
    encoder = Encoder(data / "tokenizer.json")
    model = Reranker(Config(encoder.size), encoder.one("yes"), encoder.one("no"))
    if first is None:
        wire(model, encoder, Semantics(**torch.load(data / "semantics.pt")), seed + 1)
    elif (first / "config.json").exists():
        model.load_state_dict(load_folder(first, encoder).state_dict())
    else:
        model.load_state_dict(torch.load(first / "checkpoint.pt", weights_only=False)["model"])
    if meaning:
        add_meaning(model, encoder, np.load(data / "words.npy"), seed + 2)
    groups = json.loads((data / "groups.json").read_text(encoding="utf-8"))["groups"]
    targets = Targets.read(data / "teacher.npz")
    return model, Sampler.build(encoder, groups, np.load(data / "tokens.npz"), targets, seed)


def train(
    data: Path, out: Path, minutes: float, seed: int, first: Path | None = None, meaning: bool = False
) -> None:
    """first: a finished run or a folder whose model goes on, with hard negatives from the start."""
    model, sampler = build(data, seed, first, meaning)
    peak = RATE if first is None else SECOND_RATE
    optimizer, progress = optimizer_for(model), Progress()
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        old = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(old["model"])
        optimizer.load_state_dict(old["optimizer"])
        sampler.restore(old["sampler"])
        progress = Progress(**old["progress"])
        log.info("going on from step %d", progress.steps)
    compile_layers(model)
    started = time.monotonic()
    warm_up(model, {*MIDDLE, *LONGEST} if first is not None else {*SHORT, *LONG, *LONGEST})
    size = sum(p.numel() for p in model.parameters())
    log.info("compiled in %.0f s; %d parameters", time.monotonic() - started, size)
    clock = saved = time.monotonic()
    while (done := progress.seconds / (60 * minutes)) < 1:
        hard = HARDEST if first is not None else hardness(done)
        for kind in optimizer.param_groups:
            kind["lr"] = learning_rate(done, progress.steps, peak)
        batch, wanted = sampler.batch(shapes(done, first is None), hard)
        progress.recent.append(step(model, optimizer, batch, wanted))
        progress.steps += 1
        progress.tokens += prompt_tokens(batch)
        now = time.monotonic()
        progress.seconds += now - clock
        clock = now
        if progress.steps % 50 == 0:
            report(progress, learning_rate(done, progress.steps, peak), hard)
        if now - saved > SAVE_EVERY or progress.seconds >= 60 * minutes:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save(checkpoint, {**state, "sampler": sampler.state(), "progress": asdict(progress)})
            saved = time.monotonic()
    groups = progress.steps * GROUPS
    log.info("done: %d steps, %d groups, %.1f M tokens", progress.steps, groups, progress.tokens / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--seed", type=int, default=1, help="another one where step 200 is still at chance, 2.08"
    )
    parser.add_argument(
        "--first", type=Path, metavar="RUN", help="go on with a finished run, or an exported folder"
    )
    parser.add_argument("--meaning", action="store_true", help="add the teacher's words.npy to the embedding")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    handlers = [logging.StreamHandler(), logging.FileHandler(args.out / "train.log")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)
    torch.set_num_threads(args.threads)
    train(args.data, args.out, args.minutes, args.seed, args.first, args.meaning)


if __name__ == "__main__":
    main()
