"""A collection small enough to work out by hand, and a model that needs no weights."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yesrank import head
from yesrank.evaluate import Contender
from yesrank.types import EngineInfo, PairScores

DOCUMENTS = {
    "d1": ("Bees", "Honey bees store honey in wax combs over the winter."),
    "d2": ("", "A kettle boils water faster with the lid closed."),
    "d3": ("Trains", "Night trains cross the mountains with beds for the travellers."),
    "d4": ("Bread", "Bread dough rises because yeast makes gas."),
    "d5": ("Wax", "Candles of wax burn slowly in a cool room."),
}
QUERIES = {
    "q1": "where do bees store honey",
    "q2": "why does bread dough rise",
    "q3": "wax candles",
    "q4": "left out",
}
QRELS = {"q1": {"d1": 2, "d5": 1}, "q2": {"d4": 1}, "q3": {"d5": 1, "d2": 0}}


def write_folder(folder: Path) -> Path:
    """The collection in BEIR's layout."""
    (folder / "qrels").mkdir(parents=True)
    write_lines(
        folder / "corpus.jsonl", [{"_id": k, "title": t, "text": x} for k, (t, x) in DOCUMENTS.items()]
    )
    write_lines(folder / "queries.jsonl", [{"_id": k, "text": x} for k, x in QUERIES.items()])
    rows = [f"{query}\t{name}\t{grade}" for query, row in QRELS.items() for name, grade in row.items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows, ""]))
    return folder


def write_lines(path: Path, values: Sequence[object]) -> None:
    """JSON Lines."""
    path.write_text(
        "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8"
    )


class OverlapScorer:
    """Logit = number of the query's words in the document, plus a shift. Counts what it scores."""

    def __init__(self, shift: float = 0.0, fail_after: int | None = None) -> None:
        self.info = EngineInfo("fake", "CPU", "f32", 4, 1, 0)
        self.scored: list[tuple[str, str]] = []
        self.told: list[str | None] = []
        self.shift, self.fail_after, self.closed = shift, fail_after, 0

    def score(
        self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None, as_text: bool = False
    ) -> PairScores:
        assert as_text, "a collection's texts are what they are"
        self.told += [instruction] * len(pairs)
        if self.fail_after is not None and len(self.scored) + len(pairs) > self.fail_after:
            raise KeyboardInterrupt
        self.scored += pairs
        logits = np.array([_overlap(*pair) + self.shift for pair in pairs], np.float32)
        return PairScores(head.scores(logits), logits, (False,) * len(pairs), 10 * len(pairs))

    def close(self) -> None:
        self.closed += 1


def contender(scorer: OverlapScorer, label: str = "fake", **settings: object) -> Contender:
    """The scorer under a name; settings are what its scores depend on."""
    return Contender(label, {"model": label, **settings}, lambda: scorer)


def _overlap(query: str, document: str) -> int:
    words = [set(re.findall(r"\w+", text.lower())) for text in (query, document)]
    return len(words[0] & words[1])
