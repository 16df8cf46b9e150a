"""A plain Qwen3 decoder that reads one query with several documents and returns yes - no logits.

All documents of a query share its head (prefix, instruction, query), so the head is computed once: rows of a
layer are the head's tokens followed by the documents' tokens, and each document attends to the head and to
itself. Heads are padded on the left, documents on the right. RoPE is relative, so this equals the usual
left-to-right computation of every prompt by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes; the names are those of Hugging Face's config.json."""

    vocab_size: int
    hidden_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    intermediate_size: int = 640
    rope_theta: float = 1e8
    rms_norm_eps: float = 1e-6

    @property
    def query_width(self) -> int:
        return self.num_attention_heads * self.head_dim

    @property
    def key_width(self) -> int:
        return self.num_key_value_heads * self.head_dim


class Batch(NamedTuple):
    """``G`` queries with ``K`` documents each."""

    heads: Tensor  # [G, P] ids, padded on the left
    padding: Tensor  # [G, P] bool, true where padded
    docs: Tensor  # [G, K, D] ids, padded on the right
    last: Tensor  # [G, K] position of each document's last token


class Shape(NamedTuple):
    """The sizes of a batch as plain integers, so that compiled layers are specialised on them."""

    g: int
    p: int
    k: int
    d: int


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def softmax(scores: Tensor) -> Tensor:
    return scores.float().softmax(-1).to(scores.dtype)


class Layer(nn.Module):
    """One decoder layer. Attention is written out: on CPU this trains faster than the fused kernel."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = self.config = config
        self.qkv = nn.Linear(c.hidden_size, c.query_width + 2 * c.key_width, bias=False)
        self.out = nn.Linear(c.query_width, c.hidden_size, bias=False)
        self.gate_up = nn.Linear(c.hidden_size, 2 * c.intermediate_size, bias=False)
        self.down = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)
        self.input_norm = nn.Parameter(torch.ones(c.hidden_size))
        self.mlp_norm = nn.Parameter(torch.ones(c.hidden_size))
        self.query_norm = nn.Parameter(torch.full((c.head_dim,), 1.2))
        self.key_norm = nn.Parameter(torch.full((c.head_dim,), 1.2))
        for linear, std in ((self.qkv, 0.0625), (self.out, 0.03), (self.gate_up, 0.0625), (self.down, 0.02)):
            nn.init.normal_(linear.weight, std=std)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, padding: Tensor, s: Shape) -> Tensor:
        """Rows ``[G*P + G*K*D, hidden]`` to rows of the same shape."""
        c = self.config
        qkv = self.qkv(rms_norm(x, self.input_norm, c.rms_norm_eps))
        q, k, v = qkv.split((c.query_width, c.key_width, c.key_width), -1)
        q, k = self._queries(q, cos, sin), self._keys(k, cos, sin)
        heads, docs = self._attend_heads(q, k, v, padding, s), self._attend_docs(q, k, v, padding, s)
        return self._mlp(x + self.out(torch.cat((heads, docs))))

    def last(self, x: Tensor, rope: tuple[Tensor, Tensor], padding: Tensor, last: Tensor, s: Shape) -> Tensor:
        """The same, but only the rows of the documents' last tokens come out: ``[G*K, hidden]``."""
        c = self.config
        cos, sin = rope
        y = rms_norm(x, self.input_norm, c.rms_norm_eps)
        wq, wkv = self.qkv.weight.split((c.query_width, 2 * c.key_width))
        k, v = F.linear(y, wkv).split((c.key_width, c.key_width), -1)
        k = self._keys(k, cos, sin)
        rows = s.g * s.p + torch.arange(s.g * s.k) * s.d + last.reshape(-1)
        q = self._queries(F.linear(y[rows], wq), cos[rows], sin[rows])
        q = q.view(s.g, s.k, c.num_key_value_heads, -1, c.head_dim).transpose(1, 2)  # [G, KV, K, g, hd]
        kh, kd, vh, vd = self._split_keys(k, v, s)
        to_head = (q @ kh.unsqueeze(2).mT).masked_fill(padding[:, None, None, None], -1e9)
        later = torch.arange(s.d) > last[:, None, :, None, None]
        weights = softmax(torch.cat((to_head, (q @ kd.mT).masked_fill(later, -1e9)), -1))
        a = weights[..., : s.p] @ vh.unsqueeze(2) + weights[..., s.p :] @ vd
        return self._mlp(x[rows] + self.out(a.transpose(1, 2).reshape(s.g * s.k, -1)))

    def _mlp(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(rms_norm(x, self.mlp_norm, self.config.rms_norm_eps)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)

    def _queries(self, q: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        q = q.view(-1, self.config.num_attention_heads, self.config.head_dim)
        q = rotate(rms_norm(q, self.query_norm, self.config.rms_norm_eps), cos, sin)
        return q * self.config.head_dim**-0.5

    def _keys(self, k: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        k = k.view(-1, self.config.num_key_value_heads, self.config.head_dim)
        return rotate(rms_norm(k, self.key_norm, self.config.rms_norm_eps), cos, sin)

    def _split_keys(self, k: Tensor, v: Tensor, s: Shape) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Keys and values of heads ``[G, KV, P, hd]`` and of documents ``[G, KV, K, D, hd]``."""
        n, width = self.config.num_key_value_heads, self.config.head_dim
        v = v.reshape(-1, n, width)
        cut = s.g * s.p
        kh, vh = (t[:cut].view(s.g, s.p, n, width).transpose(1, 2) for t in (k, v))
        kd, vd = (t[cut:].view(s.g, s.k, s.d, n, width).permute(0, 3, 1, 2, 4) for t in (k, v))
        return kh, kd, vh, vd

    def _attend_heads(self, q: Tensor, k: Tensor, v: Tensor, padding: Tensor, s: Shape) -> Tensor:
        n, width = self.config.num_key_value_heads, self.config.head_dim
        kh, _, vh, _ = self._split_keys(k, v, s)
        q = q[: s.g * s.p].view(s.g, s.p, n, -1, width).permute(0, 2, 3, 1, 4)  # [G, KV, g, P, hd]
        per = q.shape[2]
        scores = torch.bmm(q.reshape(s.g * n, per * s.p, width), kh.reshape(s.g * n, s.p, width).mT)
        hidden = torch.ones(s.p, s.p, dtype=torch.bool).triu(1) | padding[:, None, None, None]
        weights = softmax(scores.view(s.g, n, per, s.p, s.p).masked_fill(hidden, -1e9))
        a = torch.bmm(weights.view(s.g * n, per * s.p, s.p), vh.reshape(s.g * n, s.p, width))
        return a.view(s.g, n, per, s.p, width).permute(0, 3, 1, 2, 4).reshape(s.g * s.p, -1)

    def _attend_docs(self, q: Tensor, k: Tensor, v: Tensor, padding: Tensor, s: Shape) -> Tensor:
        n, width = self.config.num_key_value_heads, self.config.head_dim
        kh, kd, vh, vd = self._split_keys(k, v, s)
        q = q[s.g * s.p :].view(s.g, s.k, s.d, n, -1, width).permute(0, 3, 1, 4, 2, 5)  # [G, KV, K, g, D, hd]
        per = q.shape[3]
        by_head, by_doc = (s.g * n, s.k * per * s.d), (s.g * n * s.k, per * s.d)
        shape = (s.g, n, s.k, per, s.d)
        q = q.reshape(*by_head, width)
        to_head = torch.bmm(q, kh.reshape(s.g * n, s.p, width).mT).view(*shape, s.p)
        to_self = torch.bmm(q.view(*by_doc, width), kd.reshape(-1, s.d, width).mT).view(*shape, s.d)
        later = torch.ones(s.d, s.d, dtype=torch.bool).triu(1)
        to_head = to_head.masked_fill(padding[:, None, None, None, None], -1e9)
        weights = softmax(torch.cat((to_head, to_self.masked_fill(later, -1e9)), -1))
        from_head, from_self = weights.split((s.p, s.d), -1)
        a = torch.bmm(from_head.reshape(*by_head, s.p), vh.reshape(s.g * n, s.p, width)).view(*shape, width)
        a = a + torch.bmm(from_self.reshape(*by_doc, s.d), vd.reshape(-1, s.d, width)).view(*shape, width)
        return a.permute(0, 2, 4, 1, 3, 5).reshape(s.g * s.k * s.d, -1)


class Reranker(nn.Module):
    """Embedding, layers, final norm, and the two rows of the tied head for "yes" and "no"."""

    def __init__(self, config: Config, yes: int, no: int) -> None:
        super().__init__()
        self.config, self.yes, self.no = config, yes, no
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.Parameter(torch.full((config.hidden_size,), 0.1))

    def forward(self, batch: Batch, dtype: torch.dtype = torch.float32) -> Tensor:
        """Logits ``[G, K]`` in float32; ``dtype`` is that of the residual stream."""
        s = Shape(*batch.heads.shape, *batch.docs.shape[1:])
        ids = torch.cat((batch.heads.reshape(-1), batch.docs.reshape(-1)))
        rope = self._rope(s, dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            x = self.embedding(ids).to(dtype)
            for layer in self.layers[:-1]:
                x = layer(x, *rope, batch.padding, s)
            x = self.layers[-1].last(x, rope, batch.padding, batch.last, s)
        x = rms_norm(x.float(), self.norm, self.config.rms_norm_eps)
        return (x @ (self.embedding.weight[self.yes] - self.embedding.weight[self.no])).view(s.g, s.k)

    def _rope(self, s: Shape, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines of every row, ``[rows, 1, head_dim / 2]``."""
        c = self.config
        frequency = c.rope_theta ** (-torch.arange(0, c.head_dim, 2).float() / c.head_dim)
        position = torch.cat((torch.arange(s.p).repeat(s.g), s.p + torch.arange(s.d).repeat(s.g * s.k)))
        angle = (position[:, None].float() * frequency)[:, None]
        return angle.cos().to(dtype), angle.sin().to(dtype)


def compile_layers(model: Reranker) -> None:
    """Compile each layer once per batch shape."""
    for layer in model.layers[:-1]:
        layer.compile(dynamic=False)
    model.layers[-1].last = torch.compile(model.layers[-1].last, dynamic=False)  # type: ignore[method-assign]
