"""The whole Qwen3 decoder in plain numpy float32: the specification, and the judge of every other engine.

Read it top to bottom. Weights are read from the checkpoint one layer at a time, and all prompts pass through a layer
before the next is read, so memory is one layer in float32 plus the activations: a 4B needs about 1.5 GB.
Source of the arithmetic: `Qwen3ForCausalLM` of Hugging Face transformers, with which tests/parity compares it.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import numpy as np

from yesrank import qwen3, rope
from yesrank.checkpoint import Checkpoint
from yesrank.engine.base import check_prompts
from yesrank.errors import EngineError
from yesrank.types import EngineInfo, FloatArray, Ids, Progress, Prompt

Seen = Callable[[str, FloatArray], None]
"""Is told the name of a matrix and what it is multiplied with, float32 [T, in]."""

_QUERY_ROWS = 256  # attention is computed for so many query positions at a time, which bounds its memory


class ReferenceEngine:
    """An Engine (see engine/base.py) that reads a checkpoint and computes in float32."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint: Checkpoint | None = checkpoint
        self._lock = threading.Lock()
        config = checkpoint.config
        self.info = EngineInfo(
            engine="reference",
            device="CPU",
            precision="f32",
            hidden_size=config.hidden_size,
            layers=config.num_hidden_layers,
            weights_bytes=0,
            note="weights are read from the checkpoint anew at every call",
        )

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """See Engine.encode."""
        checkpoint = self._open()
        check_prompts(prompts, checkpoint.config.positions)
        if not prompts:
            return np.zeros((0, checkpoint.config.hidden_size), np.float32)
        with self._lock:
            for state in residual_streams(checkpoint, prompts):
                last = state
            norm = checkpoint.float32(qwen3.FINAL_NORM)
        if progress is not None:
            progress(len(prompts))
        return rms_norm(_last_tokens(last, prompts), norm, checkpoint.config.rms_norm_eps)

    def layer_states(self, prompts: Sequence[Prompt]) -> FloatArray:
        """The last token's residual stream, after the embedding and after each layer: float32 [N, layers + 1, D]."""
        checkpoint = self._open()
        check_prompts(prompts, checkpoint.config.positions)
        with self._lock:
            states = [_last_tokens(state, prompts) for state in residual_streams(checkpoint, prompts)]
        return np.stack(states, axis=1)

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """Does nothing: this engine remembers no prefix."""

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """Does nothing."""
        return 0

    def output_rows(self, ids: Sequence[int]) -> FloatArray:
        """See Engine.output_rows."""
        return self._open().output_rows(list(ids))

    def close(self) -> None:
        """See Engine.close."""
        self._checkpoint = None

    def _open(self) -> Checkpoint:
        if self._checkpoint is None:
            raise EngineError("the engine is closed", "open the model again")
        return self._checkpoint


def residual_streams(
    checkpoint: Checkpoint,
    prompts: Sequence[Prompt],
    seen: Seen | None = None,
) -> Iterator[FloatArray]:
    """float32 [T, D] over the tokens of all prompts: after the embedding, then after each layer.

    seen: is told of the matrices by their full names, before their layer's result comes.
    """
    config = checkpoint.config
    ids = np.concatenate([ids.array for prompt in prompts for ids in (prompt.prefix, prompt.own)])
    bounds = _bounds(prompts)
    x = checkpoint.tensor(qwen3.EMBEDDING)[ids].astype(np.float32)
    yield x
    cos, sin = rope_tables(np.concatenate([np.arange(stop - start) for start, stop in bounds]), config)
    for layer in range(config.num_hidden_layers):
        weights = {
            name: checkpoint.float32(qwen3.layer_name(layer, name)) for name in qwen3.layer_tensors(config)
        }
        tell = None if seen is None else partial(_tell, seen, layer)
        x = decoder_layer(x, weights.__getitem__, bounds, cos, sin, config, tell)
        yield x


def _tell(seen: Seen, layer: int, name: str, source: FloatArray) -> None:
    seen(qwen3.layer_name(layer, name), source)


def decoder_layer(
    x: FloatArray,
    weight: Callable[[str], FloatArray],
    bounds: Sequence[tuple[int, int]],
    cos: FloatArray,
    sin: FloatArray,
    config: qwen3.Qwen3Config,
    seen: Seen | None = None,
) -> FloatArray:
    """One layer over the concatenated tokens x [T, D] of prompts that lie at `bounds`; returns [T, D].

    seen: is told of the layer's matrices.
    """

    def times(source: FloatArray, name: str) -> FloatArray:
        if seen is not None:
            seen(name, source)
        return linear(source, weight(name))

    eps, size = config.rms_norm_eps, config.head_dim
    y = rms_norm(x, weight("input_layernorm.weight"), eps)
    q = times(y, "self_attn.q_proj.weight").reshape(len(x), -1, size)
    k = times(y, "self_attn.k_proj.weight").reshape(len(x), -1, size)
    v = times(y, "self_attn.v_proj.weight").reshape(len(x), -1, size)
    q = rotate(rms_norm(q, weight("self_attn.q_norm.weight"), eps), cos, sin)
    k = rotate(rms_norm(k, weight("self_attn.k_norm.weight"), eps), cos, sin)
    mixed = np.concatenate([attention(q[a:b], k[a:b], v[a:b]) for a, b in bounds])
    x = x + times(mixed.reshape(len(x), -1), "self_attn.o_proj.weight")
    y = rms_norm(x, weight("post_attention_layernorm.weight"), eps)
    gate, up = times(y, "mlp.gate_proj.weight"), times(y, "mlp.up_proj.weight")
    return x + times(silu(gate) * up, "mlp.down_proj.weight")


def linear(x: FloatArray, weight: FloatArray) -> FloatArray:
    """x [T, in] by a weight [out, in]: [T, out]. No layer has a bias."""
    result: FloatArray = x @ weight.T
    return result


def attention(q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
    """Causal grouped-query attention. q [T, H, S], k and v [T, G, S] where G divides H; returns [T, H, S]."""
    tokens, heads, size = q.shape
    group = heads // k.shape[1]
    scale = np.float32(1 / np.sqrt(size))
    out = np.empty_like(q)
    for start in range(0, tokens, _QUERY_ROWS):
        stop = min(start + _QUERY_ROWS, tokens)
        future = np.arange(stop)[None, :] > np.arange(start, stop)[:, None]
        for head in range(heads):
            logits = q[start:stop, head] @ k[:stop, head // group].T * scale
            out[start:stop, head] = softmax(np.where(future, -np.inf, logits)) @ v[:stop, head // group]
    return out


def rms_norm(x: FloatArray, weight: FloatArray, eps: float) -> FloatArray:
    """x / sqrt(mean(x^2) + eps) * weight over the last axis."""
    result: FloatArray = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(eps)) * weight
    return result


def rope_tables(positions: np.ndarray, config: qwen3.Qwen3Config) -> tuple[FloatArray, FloatArray]:
    """cos and sin of position x theta^(-2i/S), or as YaRN has it: float32 [T, 1, S/2] (computed in float64)."""
    plain = config.rope_theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    angle = positions[:, None, None] * rope.frequencies(plain, config.rope_theta, config.yarn)
    size = config.yarn.attention_factor if config.yarn else 1.0
    return (np.cos(angle) * size).astype(np.float32), (np.sin(angle) * size).astype(np.float32)


def rotate(x: FloatArray, cos: FloatArray, sin: FloatArray) -> FloatArray:
    """Rotary position embedding, halves convention: pairs are (x[i], x[i + S/2])."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def silu(x: FloatArray) -> FloatArray:
    """x * sigmoid(x), written with tanh so that no exponential overflows."""
    result: FloatArray = x * (np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1)))
    return result


def softmax(x: FloatArray) -> FloatArray:
    """Over the last axis, shifted by the maximum."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    result: FloatArray = e / e.sum(axis=-1, keepdims=True)
    return result


def _bounds(prompts: Sequence[Prompt]) -> list[tuple[int, int]]:
    stops = np.cumsum([len(prompt) for prompt in prompts]).tolist()
    return list(zip([0, *stops[:-1]], stops, strict=True))


def _last_tokens(x: FloatArray, prompts: Sequence[Prompt]) -> FloatArray:
    return x[[stop - 1 for _, stop in _bounds(prompts)]]
