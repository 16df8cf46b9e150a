"""Groups of one positive and seven negatives, drawn by source, as padded tensors."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.model import Batch
from training.targets import Targets
from training.template import DEFAULT_INSTRUCTION, OTHER_INSTRUCTIONS
from training.tokenizer import Encoder

Tokens: TypeAlias = Mapping[str, NDArray[Any]]  # "ids" of all documents, flat, and "offsets"

SIZE = 8  # documents a group, the positive first
GROUPS = 8  # groups a batch

# A source is drawn in proportion to groups ** 0.75 times this: questions people ask more, templates less.
FAVOUR = {
    "afriqa": 1.6, "covidqa": 1.6, "pubmedqa-l": 1.6, "qamr": 1.6, "qed-dev": 1.6, "strategyqa": 1.6,
    "medquad": 1.3, "scitldr": 1.4, "pycode": 1.6, "drcd-dev": 0.5, "wordnet": 0.5,
}  # fmt: skip


class Bucket(NamedTuple):
    """A batch's static shape: tokens of the head and of a document with its suffix."""

    head: int
    doc: int


SHORT = (Bucket(48, 48), Bucket(48, 96))
MIDDLE = (Bucket(48, 64), Bucket(64, 160))
LONG = (Bucket(48, 48), Bucket(72, 224))
LONGEST = (Bucket(48, 96), Bucket(72, 320))


def pad(
    heads: list[list[int]], docs: list[list[list[int]]], bucket: Bucket | None = None, fill: int = 0
) -> Batch:
    """Tensors of a batch; without a bucket, of the smallest shape that fits."""
    p, d = bucket or (max(map(len, heads)), max(len(row) for group in docs for row in group))
    left = torch.tensor([[fill] * (p - len(head)) + head for head in heads])
    right = torch.tensor([[row + [fill] * (d - len(row)) for row in group] for group in docs])
    padding = torch.arange(p) < torch.tensor([p - len(head) for head in heads])[:, None]
    return Batch(left, padding, right, torch.tensor([[len(row) - 1 for row in group] for group in docs]))


@dataclass(slots=True)
class Sampler:
    """Draws groups without end; ``state`` and ``restore`` let training resume where it stopped."""

    encoder: Encoder
    groups: list[dict[str, Any]]
    ids: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    rng: random.Random
    order: dict[str, list[int]]
    drawn: dict[str, int]
    waiting: dict[Bucket, list[tuple[list[int], list[list[int]], list[float]]]]
    targets: Targets

    @classmethod
    def build(
        cls, encoder: Encoder, groups: list[dict[str, Any]], tokens: Tokens, targets: Targets, seed: int = 0
    ) -> Sampler:
        rng = random.Random(seed)
        order: dict[str, list[int]] = defaultdict(list)
        for i, group in enumerate(groups):
            order[group["source"]].append(i)
        for members in order.values():
            rng.shuffle(members)
        drawn = dict.fromkeys(order, 0)
        return cls(encoder, groups, tokens["ids"], tokens["offsets"], rng, dict(order), drawn, {}, targets)

    def state(self) -> dict[str, Any]:
        return {"rng": self.rng.getstate(), "drawn": dict(self.drawn)}

    def restore(self, state: dict[str, Any]) -> None:
        self.rng.setstate(state["rng"])
        self.drawn = dict(state["drawn"])

    def batch(self, buckets: tuple[Bucket, ...], hard: float) -> tuple[Batch, Tensor]:
        """The next batch of one of the shapes, and what is wanted of it, ``[G, K]``, rows adding up to 1.

        ``hard`` is the share of negatives mined with BM25.
        """
        while True:
            head, docs, wanted = self._group(buckets[-1], hard)
            longest = max(map(len, docs))
            bucket = next(b for b in buckets if longest <= b.doc and len(head) <= b.head)
            queue = self.waiting.setdefault(bucket, [])
            queue.append((head, docs, wanted))
            if len(queue) == GROUPS:
                del self.waiting[bucket]
                heads, rows, targets = zip(*queue, strict=True)
                return pad(list(heads), list(rows), bucket), torch.tensor(targets)

    def _group(self, room: Bucket, hard: float) -> tuple[list[int], list[list[int]], list[float]]:
        weights = [len(m) ** 0.75 * FAVOUR.get(source, 1.0) for source, m in self.order.items()]
        source = self.rng.choices(list(self.order), weights)[0]
        members = self.order[source]
        index = members[self.drawn[source] % len(members)]
        group = self.groups[index]
        self.drawn[source] += 1
        chosen = [group["positive"], *self._negatives(group, hard)]
        docs = [self.ids[self.offsets[i] : self.offsets[i + 1]][: room.doc - 1].tolist() for i in chosen]
        head = self._head(group["query"], room.head)
        return head, [doc + self.encoder.suffix for doc in docs], self.targets.of(index, group, chosen)

    def _negatives(self, group: dict[str, Any], hard: float) -> list[int]:
        wanted = sum(self.rng.random() < hard for _ in range(SIZE - 1))
        pool = group["mined"][:20]
        out = self.rng.sample(pool, min(wanted, len(pool)))
        while len(out) < SIZE - 1:
            other = self.rng.randrange(group["first"], group["end"])
            if other != group["positive"] and other not in out:
                out.append(other)
        return out

    def _head(self, query: str, room: int) -> list[int]:
        """Prefix, instruction and query; a query too long for the shape loses its end."""
        instruction = self._instruction()
        head = self.encoder.head(instruction, query)
        while len(head) > room:
            query = query[: int(len(query) * 0.8)]
            head = self.encoder.head(instruction, query)
        return head

    def _instruction(self) -> str:
        draw = self.rng.random()
        if draw < 0.7:
            return DEFAULT_INSTRUCTION
        return self.rng.choice(OTHER_INSTRUCTIONS) if draw < 0.9 else ""
