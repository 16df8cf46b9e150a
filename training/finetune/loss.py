"""What training lowers, and what is measured on held-out groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def softmax_loss(logits: Tensor) -> Tensor:
    """-log of the share of the first logit in a softmax over the group. logits: [N], the positive first."""
    return -torch.log_softmax(logits, 0)[0]


def binary_loss(logits: Tensor) -> Tensor:
    """Binary cross-entropy; positive and negatives weigh half each. It fixes what a logit of zero means."""
    positive = F.softplus(-logits[0])
    return 0.5 * (positive + F.softplus(logits[1:]).mean()) if len(logits) > 1 else positive


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over groups. accuracy: share with the positive on top; mrr: mean of 1 / its rank (ties against it)."""

    loss: float
    binary: float
    accuracy: float
    mrr: float
    groups: int

    @classmethod
    def of(cls, groups: Iterable[Tensor]) -> Figures:
        """groups: logits [N] of each group, the positive first; at least one."""
        rows = []
        for logits in groups:
            rank = 1 + int((logits[1:] >= logits[0]).sum())
            rows.append((softmax_loss(logits).item(), binary_loss(logits).item(), float(rank == 1), 1 / rank))
        means = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
        return cls(*means, len(rows))

    def values(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4f}, accuracy {self.accuracy:.3f}, MRR {self.mrr:.3f} on {self.groups} groups"
        )
