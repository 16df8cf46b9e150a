"""The final figures: ``python -m training.evaluate --data DIR --model DIR --out FILE scifact cranfield``.

Each collection's BM25 top 20 is ranked again by the exported model (weights as stored, float32 or bfloat16
arithmetic). Collections may be limited: ``xquad-en:300``. DIR of ``--data`` holds ``eval/<collection>``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.retrieval import Hits, bm25
from training.scoring import EXAMPLES, Scorer

TOP = 20


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, queries with judgments, and judgments as {query: {document id: grade}}."""

    ids: list[str]
    docs: list[str]
    queries: dict[str, str]
    grades: dict[str, dict[str, float]]


def read_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def read_collection(folder: Path) -> Collection:
    corpus = read_lines(folder / "corpus.jsonl")
    grades: dict[str, dict[str, float]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, doc, grade = line.split("\t")
        grades.setdefault(query, {})[doc] = float(grade)
    rows = read_lines(folder / "queries.jsonl")
    queries = {row["_id"]: row["text"] for row in rows if row["_id"] in grades}
    docs = [f"{row.get('title', '')} {row['text']}".strip() for row in corpus]
    return Collection([row["_id"] for row in corpus], docs, queries, grades)


def ndcg(grades: dict[str, float], ranked: list[str], depth: int = 10) -> float:
    def gain(values: list[float]) -> float:
        return sum(value / math.log2(rank + 2) for rank, value in enumerate(values[:depth]))

    return gain([grades.get(doc, 0.0) for doc in ranked]) / gain(sorted(grades.values(), reverse=True))


def standardised(scores: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.array(scores)
    return (values - values.mean()) / (values.std() + 1e-6)


def evaluate(scorer: Scorer, collection: Collection, limit: int) -> dict[str, float]:
    """nDCG@10 of BM25, of the model, and of both standardised per query and averaged."""
    chosen = sorted(collection.queries)
    chosen = random.Random(1).sample(chosen, min(limit, len(chosen)))
    hits = bm25(collection.docs, [collection.queries[query] for query in chosen], TOP)
    rows = [one_query(scorer, collection, query, hit) for query, hit in zip(chosen, hits, strict=True)]
    means = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    return {"queries": len(rows), **means}


def one_query(scorer: Scorer, collection: Collection, query: str, hit: Hits) -> dict[str, float]:
    logits = scorer.logits(collection.queries[query], [collection.docs[doc] for doc in hit.docs])
    fused = (standardised(logits) + standardised(hit.scores)) / 2
    grades, ids = collection.grades[query], [collection.ids[doc] for doc in hit.docs]
    kinds = {"bm25": hit.scores, "reranker": logits, "fused": fused.tolist()}
    return {name: ndcg(grades, in_order(ids, scores)) for name, scores in kinds.items()}


def in_order(ids: list[str], scores: list[float]) -> list[str]:
    """Ids by falling score; equal scores stay in their order."""
    return [ids[i] for i in sorted(range(len(ids)), key=lambda i: -scores[i])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--room", type=int, default=320, help="tokens of a document")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("collections", nargs="*", help="NAME or NAME:QUERIES")
    args = parser.parse_args()
    scorer = Scorer(args.model, args.room, getattr(torch, args.dtype))
    figures: dict[str, Any] = {"room": args.room, "dtype": args.dtype, "ndcg@10": {}}
    figures["examples"] = {
        query: dict(zip(docs, scorer.logits(query, docs), strict=True)) for query, docs in EXAMPLES.items()
    }
    for item in args.collections:
        name, _, limit = item.partition(":")
        started = time.monotonic()
        collection = read_collection(args.data / "eval" / name)
        figures["ndcg@10"][name] = evaluate(scorer, collection, int(limit or 10**9))
        print(name, figures["ndcg@10"][name], f"{time.monotonic() - started:.0f} s", flush=True)
        args.out.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
