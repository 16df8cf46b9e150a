"""Attention over a group laid out as one sequence: shared head, then each document with its suffix.

Every document attends to the head and to itself, as if it stood alone behind the head. So the head is computed once
a group, there is no padding, and gradients flow through the head as through any other token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

NAME = "yesrank_group"


def grouped(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    shared: int,
    lengths: Sequence[int],
    **_: Any,
) -> tuple[Tensor, None]:
    """Signature of transformers' attention functions.

    query ``[1, heads, T, head_dim]``, key and value ``[1, key heads, T, head_dim]`` with T = shared + sum(lengths);
    returns ``[1, T, heads, head_dim]``.
    """
    repeats = query.shape[1] // key.shape[1]
    query, key = query.to(value.dtype), key.to(value.dtype)  # norm and RoPE leave float32 under autocast
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    queries, keys, values = (each.split([shared, *lengths], 2) for each in (query, key, value))
    rows = [F.scaled_dot_product_attention(queries[0], keys[0], values[0], is_causal=True, scale=scaling)]
    for q, own_k, own_v in zip(queries[1:], keys[1:], values[1:], strict=True):
        visible = torch.ones(q.shape[2], shared + q.shape[2], dtype=torch.bool, device=q.device).tril(shared)
        k, v = torch.cat((keys[0], own_k), 2), torch.cat((values[0], own_v), 2)
        rows.append(F.scaled_dot_product_attention(q, k, v, attn_mask=visible, scale=scaling))
    return torch.cat(rows, 2).transpose(1, 2), None


def register() -> str:
    """Makes the function known to transformers; returns its name there."""
    AttentionInterface.register(NAME, grouped)
    return NAME
