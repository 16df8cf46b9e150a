"""What the documents say about the vocabulary: word classes, rarity, and vectors from co-occurrence.

``python -m training.semantics --out DIR`` reads what prepare and tokenizer wrote there and adds
``semantics.pt``, from which the embedding is set before training.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.tokenizer import Encoder

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

RANK = 224
WINDOW = 6  # tokens apart that still count as neighbours, weighted 1 / distance
READ = 160  # tokens read of a document
CROSS_WEIGHT = 0.7  # of query-document co-occurrence, against co-occurrence in documents
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "ly")


class Semantics(NamedTuple):
    """Per token its class; per class a unit vector and its inverse document frequency."""

    classes: Tensor  # [vocabulary]
    vectors: Tensor  # [classes, RANK]
    idf: Tensor  # [classes]


def stem(word: str) -> str:
    """A crude key under which an English word's inflections meet; case and spaces around it are dropped."""
    word = word.strip().lower()
    if not re.fullmatch(r"[a-z]{5,}", word):
        return word
    suffix = next((s for s in _SUFFIXES if word.endswith(s) and len(word) - len(s) >= 3), "")
    word = word.removesuffix(suffix)
    if word.endswith("e") and len(word) > 4:
        word = word[:-1]
    return word[:-1] if word.endswith("y") and len(word) > 3 else word


def token_classes(encoder: Encoder) -> Ints:
    """The class of every token; bytes, spaces and control tokens are classes of their own."""
    plain = encoder.plain.get_vocab_size()
    position: dict[str, int] = {}

    def key(token: int) -> str:
        text = encoder.plain.decode([token]) if token < plain else ""
        known = "" if "\ufffd" in text else stem(text)
        return known or f"\0{token}"

    return np.array([position.setdefault(key(token), len(position)) for token in range(encoder.size)])


def neighbours(docs: list[Ints], count: int) -> Floats:
    """Symmetric counts of classes near each other."""
    gap = np.full(WINDOW, count)
    flat = np.concatenate([part for doc in docs for part in (doc[:READ], gap)])
    out = np.zeros(count * count, np.float32)
    for distance in range(1, WINDOW + 1):
        a, b = flat[:-distance], flat[distance:]
        cells = (a * count + b)[(a < count) & (b < count)]
        out += np.bincount(cells, minlength=count * count).astype(np.float32) / distance
    table = out.reshape(count, count)
    return table + table.T


def crossings(pairs: list[tuple[Ints, Ints]], count: int) -> Floats:
    """Symmetric counts of a class in the query together with a class in the positive document."""
    cells = [(np.unique(q)[:, None] * count + np.unique(d[:100])).ravel() for q, d in pairs]
    counts = np.bincount(np.concatenate(cells), minlength=count * count)
    table = counts.astype(np.float32).reshape(count, count)
    return table + table.T


def ppmi(table: Floats, shift: float = 0.3) -> Tensor:
    """Positive pointwise mutual information with smoothed contexts."""
    rows = table.sum(1) + 1
    context = rows**0.75
    expected = rows[:, None] * context[None, :] / context.sum()
    information = np.log(np.maximum(table, 1e-9) / expected) - shift
    return torch.from_numpy(np.maximum(information, 0).astype(np.float32))


def vectors(matrix: Tensor) -> Tensor:
    u, s, _ = torch.svd_lowrank(matrix, q=RANK, niter=3)
    centred = u * s.sqrt()
    centred = centred - centred.mean(0)
    return centred / (centred.norm(dim=1, keepdim=True) + 1e-6)


def build(encoder: Encoder, docs: list[Ints], pairs: list[tuple[str, int]]) -> Semantics:
    """From encoded documents and (query, position of its positive)."""
    classes = token_classes(encoder)
    count = int(classes.max()) + 1
    docs = [classes[doc] for doc in docs]
    queries = [classes[ids] for ids in encoder.texts([f" {query}" for query, _ in pairs])]
    cross = crossings([(q, docs[doc]) for q, (_, doc) in zip(queries, pairs, strict=True)], count)
    matrix = ppmi(neighbours(docs, count)) + CROSS_WEIGHT * ppmi(cross)
    seen = np.bincount(np.concatenate([np.unique(doc) for doc in docs]), minlength=count)
    idf = np.log((len(docs) + 1) / (seen + 1)).astype(np.float32)
    return Semantics(torch.from_numpy(classes), vectors(matrix), torch.from_numpy(idf))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    encoder = Encoder(args.out / "tokenizer.json")
    groups = json.loads((args.out / "groups.json").read_text(encoding="utf-8"))["groups"]
    tokens = np.load(args.out / "tokens.npz")
    docs = np.split(tokens["ids"].astype(np.int64), tokens["offsets"][1:-1])
    found = build(encoder, docs, [(group["query"], group["positive"]) for group in groups])
    torch.save(found._asdict(), args.out / "semantics.pt")
    for word in (" cancer", " water", " function", " city", " install"):
        likeness = found.vectors @ found.vectors[found.classes[encoder.one(word)]]
        likeness[torch.bincount(found.classes, minlength=len(likeness)) == 0] = -1
        near = [int((found.classes == c).nonzero()[0]) for c in likeness.topk(8).indices]
        print(word, [encoder.plain.decode([token]) for token in near])


if __name__ == "__main__":
    main()
