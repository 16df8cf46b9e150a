"""BM25's weight in the fused score, by training queries: ``python -m training.fusion --data WORK --model DIR``.

Queries of the training sources, each against BM25's top 20 among its source's documents, are ranked by
weight x z(BM25) + (1 - weight) x z(logit). The weight with the best mean nDCG@10, every source counting alike, is the
one to use. No test collection is read.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.evaluate import standardised
from training.retrieval import bm25
from training.scoring import Scorer

TOP = 20
WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
_LEAST_DOCUMENTS = 500


def gain(order: list[int], positive: int) -> float:
    """nDCG@10 with one relevant document."""
    rank = order.index(positive) if positive in order else TOP
    return 1 / math.log2(rank + 2) if rank < 10 else 0.0


def one_source(scorer: Scorer, docs: list[str], groups: list[dict[str, Any]]) -> list[float]:
    """Mean nDCG@10 of a source's queries at each of WEIGHTS. Queries whose positive BM25 misses count as 0."""
    first, end = groups[0]["first"], groups[0]["end"]
    hits = bm25(docs[first:end], [group["query"] for group in groups], TOP)
    rows = []
    for group, hit in zip(groups, hits, strict=True):
        positive = group["positive"] - first
        if positive not in hit.docs:
            rows.append([0.0] * len(WEIGHTS))
            continue
        ours = standardised(scorer.logits(group["query"], [docs[first + doc] for doc in hit.docs]))
        theirs = standardised(hit.scores)
        fused = [np.argsort(-(w * theirs + (1 - w) * ours), kind="stable") for w in WEIGHTS]
        rows.append([gain([hit.docs[place] for place in order], positive) for order in fused])
    return np.mean(rows, 0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=30, help="of each source")
    parser.add_argument("--room", type=int, default=320, help="tokens of a document")
    args = parser.parse_args()
    scorer, rng = Scorer(args.model, args.room, torch.float32), random.Random(2)
    data = json.loads((args.data / "groups.json").read_text(encoding="utf-8"))
    by_source: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for group in data["groups"]:
        if group["end"] - group["first"] >= _LEAST_DOCUMENTS:
            by_source[group["source"]].append(group)
    print("weight of BM25 ", *(f"{weight:6.1f}" for weight in WEIGHTS))
    table = []
    for source, groups in sorted(by_source.items()):
        chosen = rng.sample(groups, min(args.queries, len(groups)))
        table.append(one_source(scorer, data["docs"], chosen))
        print(f"{source:15}", *(f"{value:6.3f}" for value in table[-1]), flush=True)
    mean = np.mean(table, 0)
    print(f"{'mean':15}", *(f"{value:6.3f}" for value in mean))
    print("best weight:", WEIGHTS[int(mean.argmax())])


if __name__ == "__main__":
    main()
