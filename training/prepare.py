"""Read the training pairs and mine BM25 negatives: ``python -m training.prepare --data DIR --out DIR``.

DIR holds ``train/<source>.jsonl.gz``, one object a line with ``query`` and ``positive`` among its fields.
Writes ``groups.json``: all documents once, and per query the positive, the mined negatives and the range of
documents of the same source, from which random negatives are drawn.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from training.retrieval import bm25

MINED = 24  # BM25 results looked at for negatives
LIMITS = {  # queries taken from a large source; others are taken whole
    "digitalgov": 6000, "drcd-dev": 3400, "factbook": 5000, "iapp-thai": 3000, "jsquad-valid": 2500,
    "medquad": 8000, "msdocs": 10000, "peps": 7000, "tldr": 7000, "wordnet": 6000,
}  # fmt: skip

LARGER = {"pycode": 7000}  # documents of a source where --documents sets a number for the others

SAME_FIELD = 6  # negatives that tell of the same thing in another country, first among a group's mined ones
_FIELD = re.compile(r"[^.]+\. ([^:]+):")  # a document of the factbook: "Country. Field: value"

# The two examples by which people try a reranker stay out of training.
HELD_OUT = re.compile(r"red planet|(?=.*\bfrance\b).*\bcapital\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Group:
    """A query, the position of its positive, its mined negatives, and its source's documents [first, end).

    bm25: the scores of the positive and of the mined; 0 where BM25 did not find them.
    """

    source: str
    query: str
    positive: int
    mined: list[int]
    bm25: list[float]
    first: int
    end: int


def read_pairs(path: Path) -> list[dict[str, str]]:
    """The pairs of one source, less the held-out examples."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        pairs = [json.loads(line) for line in lines]
    return [pair for pair in pairs if not HELD_OUT.search(pair["query"])]


class Fields:
    """Documents that state the same field. BM25 finds the right country's other fields; these are the other half."""

    def __init__(self, docs: list[str], rng: random.Random) -> None:
        self._names = [found[1] if (found := _FIELD.match(doc)) else "" for doc in docs]
        self._members: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(self._names):
            self._members[name].append(index)
        self._rng = rng

    def others(self, index: int) -> list[int]:
        """Some documents with the field of this one, in random order."""
        members = [other for other in self._members[self._names[index]] if other != index]
        return self._rng.sample(members, min(SAME_FIELD, len(members))) if self._names[index] else []


def fewer(pairs: list[dict[str, str]], documents: int, rng: random.Random) -> list[dict[str, str]]:
    """The pairs of so many documents drawn at random."""
    known = sorted({pair["positive"] for pair in pairs})
    kept = set(rng.sample(known, min(documents, len(known))))
    return [pair for pair in pairs if pair["positive"] in kept]


def mine(
    source: str, pairs: list[dict[str, str]], first: int, rng: random.Random
) -> tuple[list[str], list[Group]]:
    """The distinct documents of a source and the groups of (at most LIMITS) of its pairs."""
    position: dict[str, int] = {}
    answers: dict[str, set[int]] = {}
    for pair in pairs:
        answer = position.setdefault(pair["positive"], len(position))
        answers.setdefault(pair["query"], set()).add(answer)
    chosen = rng.sample(pairs, min(len(pairs), LIMITS.get(source, len(pairs))))
    docs = list(position)
    hits = bm25(docs, [pair["query"] for pair in chosen], MINED)
    alike = Fields(docs, rng) if source == "factbook" else None
    groups = []
    for pair, hit in zip(chosen, hits, strict=True):
        positive, found = position[pair["positive"]], dict(zip(hit.docs, hit.scores, strict=True))
        same = alike.others(positive) if alike else []
        mined = [doc for doc in dict.fromkeys(same + hit.docs) if doc not in answers[pair["query"]]]
        groups.append(
            Group(
                source=source,
                query=pair["query"],
                positive=first + positive,
                mined=[first + doc for doc in mined],
                bm25=[round(found.get(doc, 0.0), 3) for doc in (positive, *mined)],
                first=first,
                end=first + len(docs),
            )
        )
    return docs, groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--documents", type=int, help="of each source at most; all without it")
    args = parser.parse_args()
    rng = random.Random(0)
    docs: list[str] = []
    groups: list[Group] = []
    paths = [path for data in args.data for path in (data / "train").glob("*.jsonl.gz")]
    for path in sorted(paths, key=lambda path: path.name):
        source = path.name.removesuffix(".jsonl.gz")
        pairs = read_pairs(path)
        if args.documents:
            pairs = fewer(pairs, LARGER.get(source, args.documents), rng)
        new_docs, new_groups = mine(source, pairs, len(docs), rng)
        docs += new_docs
        groups += new_groups
        print(f"{source}: {len(new_docs)} documents, {len(new_groups)} groups", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"docs": docs, "groups": [asdict(group) for group in groups]}, ensure_ascii=False)
    (args.out / "groups.json").write_text(text, encoding="utf-8")
    print(f"in all {len(docs)} documents, {len(groups)} groups")


if __name__ == "__main__":
    main()
