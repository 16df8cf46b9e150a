"""What is wanted of a group: its label, and where there is a teacher, the teacher's likeness and BM25's score.

A teacher tells how much better one negative is than another, and finds positives that nobody has marked
(knowledge distillation: Hinton et al. 2015; of rankers by a softmax over the list: Hofstätter et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE = 20.0  # of the cosine, as in the teacher's own training
BM25_WEIGHT = (
    1.0  # of BM25's score, standardised over a group's mined documents; by training queries, see the README
)
LABEL_WEIGHT = 2.5  # logits that the marked positive is given beside
# Sources in languages that the teacher does not read: there the label is all that counts.
UNTAUGHT = frozenset({"afriqa", "arcd", "drcd-dev", "howtocook-zh", "iapp-thai", "jsquad-valid"})


@dataclass(frozen=True, slots=True)
class Targets:
    """Unit vectors of documents and queries, ``[N, width]``; None where there is no teacher."""

    docs: NDArray[np.float16] | None = None
    queries: NDArray[np.float16] | None = None

    @classmethod
    def read(cls, path: Path) -> Targets:
        """From teacher.npz, if there is one."""
        if not path.exists():
            return cls()
        stored = np.load(path)
        return cls(stored["docs"], stored["queries"])

    def of(self, index: int, group: dict[str, Any], chosen: list[int]) -> list[float]:
        """Shares of the chosen documents, the positive first; they add up to 1."""
        if self.docs is None or self.queries is None or group["source"] in UNTAUGHT:
            return [1.0] + [0.0] * (len(chosen) - 1)
        likeness = self.docs[chosen].astype(np.float32) @ self.queries[index].astype(np.float32)
        logits = SCALE * likeness + BM25_WEIGHT * _bm25(group, chosen)
        logits[0] += LABEL_WEIGHT
        shares = np.exp(logits - logits.max())
        return (shares / shares.sum()).tolist()


def _bm25(group: dict[str, Any], chosen: list[int]) -> NDArray[np.float32]:
    known = dict(zip((group["positive"], *group["mined"]), group["bm25"], strict=True))
    scores = np.array([known.get(doc, 0.0) for doc in chosen], np.float32)
    mined = np.array(group["bm25"][1:] or [0.0], np.float32)
    return np.clip((scores - mined.mean()) / (mined.std() + 1e-3), -3, 3)
