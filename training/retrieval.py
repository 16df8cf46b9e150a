"""BM25 as used to mine negatives and as the first stage of the final figures."""

from __future__ import annotations

import re
from dataclasses import dataclass

import bm25s
import Stemmer

_UNSPACED = re.compile(r"[\u0e00-\u0e7f]+|[\u3040-\u30ff\u3400-\u9fff]+")
_CHUNK = re.compile(r"[\u0e00-\u0e7f]+|[\u3040-\u30ff\u3400-\u9fff]+|[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Hits:
    """Document positions and BM25 scores of one query, best first."""

    docs: list[int]
    scores: list[float]


def bigram_tokens(text: str) -> list[str]:
    """Words of spaced scripts; overlapping character pairs of Chinese, Japanese and Thai."""
    out: list[str] = []
    for word in _CHUNK.findall(text.lower()):
        if _UNSPACED.match(word):
            out += [word[i : i + 2] for i in range(len(word) - 1)] or [word]
        else:
            out.append(word)
    return out


def is_unspaced(texts: list[str]) -> bool:
    """Whether a sample of the texts is mostly written without spaces."""
    sample = "".join(text[:200] for text in texts[:200])
    return sum(map(len, _UNSPACED.findall(sample))) > len(sample) / 3


def _tokenize(texts: list[str], unspaced: bool) -> list[list[str]]:
    if unspaced:
        return [bigram_tokens(text) or ["\0"] for text in texts]
    stemmer = Stemmer.Stemmer("english")
    return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False, return_ids=False)


def bm25(docs: list[str], queries: list[str], top: int) -> list[Hits]:
    """The top documents of each query (Lucene BM25, k1 = 0.9, b = 0.4)."""
    unspaced = is_unspaced(docs)
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(_tokenize(docs, unspaced), show_progress=False)
    found, scores = index.retrieve(
        _tokenize(queries, unspaced), k=min(top, len(docs)), show_progress=False, n_threads=1
    )
    return [Hits(d, s) for d, s in zip(found.tolist(), scores.tolist(), strict=True)]
