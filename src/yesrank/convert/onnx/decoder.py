"""The Qwen3 decoder as an ONNX graph with fused attention (com.microsoft.GroupQueryAttention).

input_ids, attention_mask  int64 [B, S], [B, past + S];  with the full head also position_ids  int64 [B, S]
past_key_values.N.key, .value -> present.N.key, .value  [B, kv_heads, past, head_dim]

yesno  logits  float32 [B, 2], of no and yes;  hidden  float32 [B, D], the final-norm state of the last real token
seq-cls  logits  float32 [B, 1], yes less no;  hidden  as with yesno;  no past, no present
full   logits  float32 [B, S, V]
states last_hidden_state  float32 [B, S, D], of embedding models: no cache, as sentence-transformers runs them
"""

from collections.abc import Sequence

import numpy as np

from yesrank import qwen3, rope
from yesrank.checkpoint import Checkpoint
from yesrank.convert.onnx.graph import MICROSOFT, Dimension, Graph
from yesrank.convert.onnx.matrices import Matrices, narrowed
from yesrank.convert.onnx.pack import Packer
from yesrank.convert.onnx.padding import BATCH, PAST, SEQUENCE, TOTAL, Padding
from yesrank.convert.onnx.stored import Stored
from yesrank.convert.onnx.variants import Variant
from yesrank.types import FloatArray

STATES = "states"
"""The head of embedding models."""
CACHE = "yesrank.cache"
ANSWER_ROWS = "no_yes"
"""The tensor that holds the two rows of the output embedding, float32 [D, 2], or their difference, [D, 1]."""

_HALF_FACTOR = 1 / 8
"""In float16 the residual stream is kept this much smaller, so that its largest values do not overflow.

RMSNorm takes it out again; a power of two costs no precision."""
_FINE = 256  # positions are 256 a + b: the tables of RoPE are made from those of a and of b


def build(
    checkpoint: Checkpoint, packer: Packer, variant: Variant, head: str, answers: Sequence[int] | None
) -> Graph:
    """The graph; no weight is read yet. head: of HEADS, or STATES. answers: ids of no and yes, None where not asked."""
    return _Builder(checkpoint, packer, variant, head).build(answers)


def answer_rows(checkpoint: Checkpoint, answers: Sequence[int], head: str) -> FloatArray:
    """What ANSWER_ROWS holds: float32 [2, D] of no and yes, or [1, D] of their difference."""
    rows = checkpoint.output_rows(list(answers))
    if head == "yesno":
        return rows
    difference: FloatArray = (rows[1:].astype(np.float64) - rows[:1]).astype(np.float32)
    return difference


def stored_factor(variant: Variant, name: str) -> float:
    """What a matrix is multiplied with before it is stored: those that write to the stream are scaled with it."""
    writes = name.endswith(("self_attn.o_proj.weight", "mlp.down_proj.weight"))
    return _HALF_FACTOR if variant.half and writes else 1.0


class _Builder:
    """Adds nodes layer by layer. The residual stream is [R, D], one row a token."""

    def __init__(self, checkpoint: Checkpoint, packer: Packer, variant: Variant, head: str) -> None:
        self._checkpoint, self._config, self._head = checkpoint, checkpoint.config, head
        self._variant, self._half = variant, variant.half
        self._factor = _HALF_FACTOR if variant.half else 1.0
        self._graph = graph = Graph()
        self._matrices = Matrices(graph, checkpoint, packer, variant)
        self._dtype = self._matrices.dtype
        self._ids = graph.input("input_ids", "int64", [BATCH, SEQUENCE])
        mask = graph.input("attention_mask", "int64", [BATCH, SEQUENCE if head == STATES else TOTAL])
        self._padding = Padding(graph, self._ids, mask)
        self._cos, self._sin = self._rope_tables()

    def build(self, answers: Sequence[int] | None) -> Graph:
        graph, config = self._graph, self._config
        if self._head == "full":
            graph.input("position_ids", "int64", [BATCH, SEQUENCE])
        kept = None if answers is None else self._padding.last()
        ids = graph.op("Reshape", self._ids, graph.ints(-1))
        ids = graph.op("Gather", ids, self._padding.to_left(), axis=0)
        x = self._matrices.rows(qwen3.EMBEDDING, ids)
        if self._half:
            x = graph.op("Mul", x, graph.scalar(self._factor, self._dtype))
        update: str | None = None
        for layer in range(config.num_hidden_layers):
            last = layer == config.num_hidden_layers - 1
            x, update = self._layer(x, update, layer, kept if last else None)
        assert update is not None
        hidden = self._final_norm(graph.op("Add", x, update))
        if answers is not None:
            self._answer_head(hidden, answers)
        elif self._head == "full":
            self._full_head(hidden)
        else:
            self._states(hidden)
        return graph

    def _layer(self, x: str, update: str | None, layer: int, kept: str | None) -> tuple[str, str]:
        """The residual stream and what is to be added to it, before and after a layer.

        kept: the places of the tokens that are wanted after the layer; None keeps all.
        """
        y, x = self._add_norm(x, update, qwen3.layer_name(layer, "input_layernorm.weight"))
        mixed = self._attention(y, layer)
        if kept is not None:
            mixed = self._graph.op("Gather", mixed, kept, axis=0)
            x = self._graph.op("Gather", x, kept, axis=0)
        update = self._linear(mixed, layer, "self_attn.o_proj")
        y, x = self._add_norm(x, update, qwen3.layer_name(layer, "post_attention_layernorm.weight"))
        gate, up = self._linear(y, layer, "mlp.gate_proj"), self._linear(y, layer, "mlp.up_proj")
        gate = self._graph.op("Mul", gate, self._graph.op("Sigmoid", gate))
        inner = self._graph.op("Mul", gate, up)
        return x, self._linear(inner, layer, "mlp.down_proj")

    def _attention(self, y: str, layer: int) -> str:
        """Attention of all heads over the normalised tokens y: [R, heads x head_dim]."""
        config, graph, padding = self._config, self._graph, self._padding
        size, groups = config.head_dim, config.num_key_value_heads
        q = self._heads_norm(self._linear(y, layer, "self_attn.q_proj"), layer, "q_norm")
        k = self._heads_norm(self._linear(y, layer, "self_attn.k_proj"), layer, "k_norm")
        v = self._linear(y, layer, "self_attn.v_proj")
        past, present = self._cache(layer)
        outputs = graph.ops(
            "GroupQueryAttention",
            self._tokens(q, config.num_attention_heads * size),
            self._tokens(k, groups * size),
            self._tokens(v, groups * size),
            *past,
            padding.keys,
            padding.total,
            self._cos,
            self._sin,
            outputs=[f"attention_{layer}", *present],
            domain=MICROSOFT,
            num_heads=config.num_attention_heads,
            kv_num_heads=groups,
            scale=size**-0.5,
            do_rotary=1,
            rotary_interleaved=0,
        )
        return graph.op("Reshape", outputs[0], graph.ints(-1, config.num_attention_heads * size))

    def _cache(self, layer: int) -> tuple[list[str], list[str]]:
        """Names of a layer's past and present, keys and values each; declares them."""
        heads, size = self._config.num_key_value_heads, self._config.head_dim
        if self._head in ("seq-cls", STATES):  # who runs classifiers and embedders feeds none
            return ["", ""], ["", ""]
        past, present = [], []
        for part in ("key", "value"):
            name = f"past_key_values.{layer}.{part}"
            past.append(self._graph.input(name, self._dtype, [BATCH, heads, PAST, size]))
            present.append(f"present.{layer}.{part}")
        return past, present

    def _tokens(self, x: str, width: int) -> str:
        """x as [B, S, width]."""
        graph, padding = self._graph, self._padding
        shape = graph.op("Concat", padding.batch, padding.sequence, graph.ints(width), axis=0)
        return graph.op("Reshape", x, shape)

    def _heads_norm(self, x: str, layer: int, name: str) -> str:
        """RMSNorm over each head of x [R, heads x head_dim], as [R x heads, head_dim]."""
        x = self._graph.op("Reshape", x, self._graph.ints(-1, self._config.head_dim))
        weight = self._norm_weight(qwen3.layer_name(layer, f"self_attn.{name}.weight"), self._dtype)
        return self._rms_norm(x, weight, self._config.rms_norm_eps)

    def _add_norm(self, x: str, update: str | None, name: str) -> tuple[str, str]:
        """(RMSNorm(x + update), x + update)."""
        graph = self._graph
        weight, eps = self._norm_weight(name, self._dtype), self._stream_eps()
        if update is None:
            return self._rms_norm(x, weight, eps), x
        y, total = graph.unique("AddNorm", 2)
        graph.ops(
            "SkipSimplifiedLayerNormalization",
            x,
            update,
            weight,
            outputs=[y, "", "", total],
            domain=MICROSOFT,
            epsilon=eps,
        )
        return y, total

    def _rms_norm(self, x: str, weight: str, eps: float) -> str:
        """onnxruntime registers this one in the default domain."""
        return self._graph.op("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=eps, stash_type=1)

    def _stream_eps(self) -> float:
        return self._config.rms_norm_eps * self._factor**2

    def _norm_weight(self, name: str, dtype: str) -> str:
        shape = self._checkpoint.shape(name)

        def read() -> tuple[np.ndarray, ...]:
            return (narrowed(name, self._checkpoint.float32(name), dtype),)

        return self._graph.add(Stored(name, dtype, shape, read))

    def _final_norm(self, x: str) -> str:
        """In float32 whatever the variant."""
        if self._half:
            x = self._graph.cast(x, "float32")
        return self._rms_norm(x, self._norm_weight(qwen3.FINAL_NORM, "float32"), self._stream_eps())

    def _answer_head(self, hidden: str, answers: Sequence[int]) -> None:
        """The two rows of the output embedding, exact, in float32, or their difference."""
        graph, width = self._graph, self._config.hidden_size
        count = 1 if self._head == "seq-cls" else len(answers)

        def read() -> tuple[np.ndarray, ...]:
            return (np.ascontiguousarray(answer_rows(self._checkpoint, answers, self._head).T),)

        rows = graph.add(Stored(ANSWER_ROWS, "float32", (width, count), read))
        graph.op("Identity", hidden, name="hidden")
        graph.op("MatMul", hidden, rows, name="logits")
        graph.output("logits", "float32", [BATCH, count])
        graph.output("hidden", "float32", [BATCH, width])
        self._declare_presents()

    def _full_head(self, hidden: str) -> None:
        """Logits of every token, at its place in the input."""
        graph = self._graph
        hidden = graph.op("Gather", hidden, self._padding.back(), axis=0)
        if self._half:
            hidden = graph.cast(hidden, self._dtype)
        logits = self._matrices.by_table(hidden, qwen3.head_tensor(self._config))
        if self._half:
            logits = graph.cast(logits, "float32")
        padding, words = self._padding, self._config.vocab_size
        shape = graph.op("Concat", padding.batch, padding.sequence, graph.ints(words), axis=0)
        graph.op("Reshape", logits, shape, name="logits")
        graph.output("logits", "float32", [BATCH, SEQUENCE, words])
        self._declare_presents()

    def _states(self, hidden: str) -> None:
        """The hidden state of every token, at its place in the input."""
        graph, padding, width = self._graph, self._padding, self._config.hidden_size
        graph.metadata[CACHE] = self._dtype  # so that who wants a cache knows its type
        hidden = graph.op("Gather", hidden, padding.back(), axis=0)
        shape = graph.op("Concat", padding.batch, padding.sequence, graph.ints(width), axis=0)
        graph.op("Reshape", hidden, shape, name="last_hidden_state")
        graph.output("last_hidden_state", "float32", [BATCH, SEQUENCE, width])

    def _declare_presents(self) -> None:
        if self._head == "seq-cls":
            self._graph.metadata[CACHE] = self._dtype  # so that who wants a cache knows its type
            return
        shape: list[Dimension] = [BATCH, self._config.num_key_value_heads, TOTAL, self._config.head_dim]
        for layer in range(self._config.num_hidden_layers):
            for part in ("key", "value"):
                self._graph.output(f"present.{layer}.{part}", self._dtype, shape)

    def _linear(self, x: str, layer: int, name: str) -> str:
        weight = qwen3.layer_name(layer, f"{name}.weight")
        return self._matrices.linear(x, weight, stored_factor(self._variant, weight))

    def _rope_tables(self) -> tuple[str, str]:
        """cos and sin of every position and pair, [positions, head_dim / 2].

        They are put together from two small tables when the model is loaded: a published model's would take 20 MB.
        """
        graph, config = self._graph, self._config
        plain = config.rope_theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
        frequency = rope.frequencies(plain, config.rope_theta, config.yarn)
        size = config.yarn.attention_factor if config.yarn else 1.0
        coarse = np.arange(0, config.positions, _FINE)[:, None, None] * frequency
        fine = np.arange(_FINE)[None, :, None] * frequency
        names = {
            f"{function.__name__}_{which}": graph.values(
                f"rope_{function.__name__}_{which}", (function(angles) * factor).astype(np.float32)
            )
            for function in (np.cos, np.sin)
            for which, angles, factor in (("coarse", coarse, size), ("fine", fine, 1.0))
        }

        def product(first: str, second: str) -> str:
            return graph.op("Mul", names[f"{first}_coarse"], names[f"{second}_fine"])

        cos = graph.op("Sub", product("cos", "cos"), product("sin", "sin"))
        sin = graph.op("Add", product("sin", "cos"), product("cos", "sin"))
        return self._rope_table(cos), self._rope_table(sin)

    def _rope_table(self, table: str) -> str:
        table = self._graph.op("Reshape", table, self._graph.ints(-1, self._config.head_dim // 2))
        return self._graph.cast(table, self._dtype) if self._half else table
