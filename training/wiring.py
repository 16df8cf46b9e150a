"""Weights set before training, so that matching the query's words works from the first step.

From random weights a model of this size finds no use for the query in the time given; from these it starts
at once. Everything stays an ordinary Qwen3, and training is free to change every weight.

The residual stream's first dimensions are named below; the rest holds a token's content. Layer 0 marks the
tokens of query and document and looks at the token before; layer 1 lets equal tokens find each other in the
query, on RoPE's slow pairs, which hardly turn with distance; layer 2 attends to tokens that found a match.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.model import Layer, Reranker
from training.semantics import Semantics
from training.tokenizer import Encoder

# Dimensions of the residual stream
ONE = 0  # the same in every token
QUERY_LABEL = 1
DOCUMENT_LABEL = 2
IN_QUERY = 3
IN_DOCUMENT = 4
RARITY = 5
MATCHED = 7
ENDING = 10
CONTENT = 16  # the first of the content dimensions

IDENTITY, MEANING, NOISE = 0.8, 0.6, 0.25  # shares of a token's content
TAUGHT, TAUGHT_RANK = (
    0.4,
    128,
)  # what a teacher's vector of a word adds, as a share of its content; its dimensions
FAST = 12  # RoPE pairs below this turn too quickly to carry content


def orthonormal(rows: int, columns: int, rng: torch.Generator) -> Tensor:
    """``rows`` orthonormal vectors of length ``columns``."""
    return torch.linalg.qr(torch.randn(columns, rows, generator=rng))[0].mT


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True)


def embedding(encoder: Encoder, known: Semantics, hidden: int, rng: torch.Generator) -> Tensor:
    """One vector per token: its class's own, moved by what the class means; rarity and label marks."""
    width = hidden - CONTENT
    identity = unit(torch.randn(len(known.idf), width, generator=rng))
    meaning = known.vectors @ orthonormal(known.vectors.shape[1], width, rng)
    noise = unit(torch.randn(encoder.size, width, generator=rng))
    content = unit((IDENTITY * identity + MEANING * meaning)[known.classes] + NOISE * noise)
    out = torch.zeros(encoder.size, hidden)
    out[:, CONTENT:] = content * width**0.5 * 0.6
    out[:, ONE] = 2.0
    out[:, RARITY] = (known.idf[known.classes] - 5) / 2.5
    out[:, RARITY + 1 : CONTENT] = 0.1 * torch.randn(encoder.size, CONTENT - RARITY - 1, generator=rng)
    labels = [encoder.one(word) for word in ("<Instruct", "<Query", "<Document", ">:")]
    control = list(range(encoder.plain.get_vocab_size(), encoder.size))
    out[labels, CONTENT:] *= 0.06
    out[control, CONTENT:] *= 0.3
    out[labels + control, RARITY] = 0
    out[labels[1], QUERY_LABEL] = 3
    out[labels[2], DOCUMENT_LABEL] = 3
    out[encoder.suffix[-1], ENDING] = 3
    return out


def parts(layer: Layer) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Views of a layer's query, key and value weights, one ``[head_dim, hidden]`` per head."""
    c = layer.config
    q, k, v = layer.qkv.weight.split((c.query_width, c.key_width, c.key_width))
    return list(q.split(c.head_dim)), list(k.split(c.head_dim)), list(v.split(c.head_dim))


def copy_mark(layer: Layer, value: Tensor, channel: int, source: int, target: int) -> None:
    """Let head 0 carry dimension ``source`` of what it attends to into dimension ``target``."""
    value[channel] *= 0.1
    value[channel, source] = 0.3
    layer.out.weight[target] *= 0.1
    layer.out.weight[target, channel] = 1.0


def wire_segments(layer: Layer) -> None:
    """Layer 0. Head 0: every token looks at the last label before it. Head 2: at the token before it."""
    q, k, v = parts(layer)
    slow = layer.config.head_dim // 2 - 1
    q[0] *= 0.05
    q[0][slow, ONE] = 1.0
    k[0] *= 0.15
    k[0][slow, QUERY_LABEL] = 0.6
    k[0][slow - 1, QUERY_LABEL] = 0.5  # weakens the query's label where the document's is seen too
    k[0][slow, DOCUMENT_LABEL] = 0.9
    copy_mark(layer, v[0], 0, QUERY_LABEL, IN_QUERY)
    copy_mark(layer, v[0], 1, DOCUMENT_LABEL, IN_DOCUMENT)
    pairs = torch.arange(4)
    turn = layer.config.rope_theta ** (-2 * pairs / layer.config.head_dim)
    q[2] *= 0.05
    q[2][pairs, ONE] = 1.0
    k[1] *= 0.05
    k[1][pairs, ONE] = turn.cos()
    k[1][slow + 1 + pairs, ONE] = turn.sin()


def wire_matching(layer: Layer, rng: torch.Generator) -> None:
    """Layer 1. Head 0: every token looks for its like in the query. Head 1: at the query as a whole."""
    q, k, v = parts(layer)
    half = layer.config.head_dim // 2
    pairs = torch.arange(FAST, half - 1)
    rows = torch.cat((pairs, pairs + half, torch.tensor([2 * half - 1])))
    shared = 0.45 * orthonormal(len(rows), layer.config.hidden_size - CONTENT, rng)
    q[0] *= 0.1
    q[0][rows, CONTENT:] += shared
    q[0][half - 1, ONE] = 0.7
    k[0] *= 0.1
    k[0][rows, CONTENT:] += shared
    k[0][half - 1, IN_QUERY] = 0.7
    q[1] *= 0.1
    q[1][half - 1, ONE] = 0.7
    copy_mark(layer, v[0], 0, IN_QUERY, MATCHED)
    layer.query_norm.fill_(1.5)
    layer.key_norm.fill_(1.5)


def wire_gathering(layer: Layer) -> None:
    """Layer 2. Head 0: look at tokens that found a match."""
    q, k, _ = parts(layer)
    slow = layer.config.head_dim // 2 - 1
    q[0] *= 0.1
    q[0][slow, ONE] = 0.7
    k[0] *= 0.3
    k[0][slow, MATCHED] = 0.5


@torch.no_grad()
def wire(model: Reranker, encoder: Encoder, known: Semantics, seed: int = 1) -> None:
    """Set the starting weights of a freshly built model."""
    rng = torch.Generator().manual_seed(seed)
    model.embedding.weight.copy_(embedding(encoder, known, model.config.hidden_size, rng))
    wire_segments(model.layers[0])
    wire_matching(model.layers[1], rng)
    wire_gathering(model.layers[2])


@torch.no_grad()
def add_meaning(model: Reranker, encoder: Encoder, words: NDArray[np.float16], seed: int) -> None:
    """Add a teacher's vectors of English words, ``[V, width]``, to the content of a trained embedding.

    A trained model compares contents already, so likeness that is added there counts at once. The head's two rows, the
    labels and what is not a word stay as they are.
    """
    fixed = {encoder.one(word) for word in ("yes", "no", "<Instruct", "<Query", "<Document", ">:")}
    tokens = [
        token
        for token in range(encoder.plain.get_vocab_size())
        if token not in fixed and re.fullmatch(r"[A-Za-z]{2,}", encoder.plain.decode([token]).strip())
    ]
    known = torch.from_numpy(words[tokens].astype(np.float32))
    known = known - known.mean(0)
    u, s, _ = torch.svd_lowrank(known, q=TAUGHT_RANK, niter=4)
    content = model.embedding.weight[tokens, CONTENT:]
    rng = torch.Generator().manual_seed(seed)
    meaning = unit(u * s) @ orthonormal(TAUGHT_RANK, content.shape[1], rng)
    model.embedding.weight[tokens, CONTENT:] = content + TAUGHT * content.norm(dim=1, keepdim=True) * meaning
