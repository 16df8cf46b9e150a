"""The Qwen3 decoder as a standard OpenVINO IR: stateful for text generation, without a cache for embeddings.

Inputs, output, state variables and sub-graph patterns are those of an optimum-intel export, so that
optimum-intel, OpenVINO GenAI and the plugins' fusions (RMS, RoPE, attention with KV cache, paged attention)
treat the two alike:

    input_ids, attention_mask, position_ids  i64 [B, L], [B, past + L], [B, L];  beam_idx  i32 [B]
    logits  f32 [B, L, V], of a classifier [B, L, 2]
    past_key_values.N.keypresent.N.key / .valuepresent.N.value  f32 [B, kv_heads, past, head_dim]

An embedding model's are those of an export for feature extraction, which is what sentence-transformers runs; padding on
either side changes nothing, since positions are counted along the mask:

    input_ids, attention_mask  i64 [B, L];  last_hidden_state  f32 [B, L, D]
"""

from collections.abc import Callable

import numpy as np
import openvino as ov
from openvino import Node
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo
from openvino.utils.node_factory import NodeFactory

from yesrank import qwen3, rope
from yesrank.convert.constants import matrix, vector
from yesrank.convert.quantize import Packed
from yesrank.qwen3 import Qwen3Config
from yesrank.types import FloatArray

_MASKED = np.float32(-65504)  # the least float16: finite, so that a row without any visible key stays finite


def build(
    config: Qwen3Config,
    packed: Callable[[str], Packed],
    norm: Callable[[str], FloatArray],
    *,
    embeds: bool = False,
) -> ov.Model:
    """The model. packed: a matrix by its checkpoint name; norm: a norm weight by its checkpoint name.

    embeds: one for embeddings, which ends at the hidden states.
    """
    builder = (_Embedding if embeds else _Builder)(config, packed, norm)
    return builder.model()


class _Builder:
    """Adds nodes layer by layer. The nodes that every layer needs are made once, in __init__."""

    def __init__(
        self, config: Qwen3Config, packed: Callable[[str], Packed], norm: Callable[[str], FloatArray]
    ) -> None:
        self._config, self._packed, self._norm = config, packed, norm
        self._ids = _parameter("input_ids", [-1, -1], ov.Type.i64)
        self._mask_input = _parameter("attention_mask", [-1, -1], ov.Type.i64)
        self._positions = self._places()
        self._beams = _parameter("beam_idx", [-1], ov.Type.i32)
        self._assigns: list[Node] = []
        self._cos, self._sin = self._rope_tables()
        self._mask = self._attention_mask()
        self._empty_cache = self._initial_state()

    def model(self) -> ov.Model:
        config = self._config
        # The two largest matrices come first, while little else is in memory.
        table = self._weight(qwen3.EMBEDDING)
        head = table if config.tie_word_embeddings else self._weight(qwen3.head_tensor(config))
        logits = _matmul(self._hidden(table), head, "lm_head")
        logits.output(0).set_names({"logits"})
        parameters = [self._ids, self._mask_input, self._positions, self._beams]
        return ov.Model([ops.result(logits)], self._assigns, parameters, "Qwen3ForCausalLM")

    def _places(self) -> Node:
        """The position of each token, [B, L]."""
        return _parameter("position_ids", [-1, -1], ov.Type.i64)

    def _hidden(self, table: Node) -> Node:
        """The final norm's output, [B, L, D]. table: the embedding."""
        x = ops.gather(table, ops.convert(self._ids, "i32"), _int(0, np.int32))
        for layer in range(self._config.num_hidden_layers):
            x = self._layer(x, layer)
        return self._rms_norm(x, qwen3.FINAL_NORM, rank=3)

    def _layer(self, x: Node, layer: int) -> Node:
        y = self._rms_norm(x, qwen3.layer_name(layer, "input_layernorm.weight"), rank=3)
        x = ops.add(x, self._attention(y, layer))
        y = self._rms_norm(x, qwen3.layer_name(layer, "post_attention_layernorm.weight"), rank=3)
        gate = _silu(self._linear(y, layer, "mlp.gate_proj"))
        inner = ops.multiply(gate, self._linear(y, layer, "mlp.up_proj"))
        return ops.add(x, self._linear(inner, layer, "mlp.down_proj"))

    def _attention(self, y: Node, layer: int) -> Node:
        config = self._config
        heads, groups, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        q = _split_heads(self._linear(y, layer, "self_attn.q_proj"), heads, size)
        k = _split_heads(self._linear(y, layer, "self_attn.k_proj"), groups, size)
        v = _split_heads(self._linear(y, layer, "self_attn.v_proj"), groups, size)
        q = self._rms_norm(q, qwen3.layer_name(layer, "self_attn.q_norm.weight"), rank=4)
        k = self._rms_norm(k, qwen3.layer_name(layer, "self_attn.k_norm.weight"), rank=4)
        q, k, v = self._rotate(_heads_first(q)), self._rotate(_heads_first(k)), _heads_first(v)
        k, v = self._with_past(k, layer, "key"), self._with_past(v, layer, "value")
        scale = ops.constant(np.float32(size**-0.5))
        mixed = ops.scaled_dot_product_attention(
            q, self._for_all_heads(k), self._for_all_heads(v), self._mask, scale
        )
        mixed = ops.reshape(_heads_first(mixed), _ints(0, 0, heads * size), special_zero=True)
        return self._linear(mixed, layer, "self_attn.o_proj")

    def _with_past(self, new: Node, layer: int, part: str) -> Node:
        """Past and new keys or values [B, kv_heads, past + L, head_dim]; the whole becomes the next past."""
        config = self._config
        info = VariableInfo()
        info.variable_id = f"past_key_values.{layer}.{part}present.{layer}.{part}"
        info.data_type = ov.Type.f32
        info.data_shape = ov.PartialShape([-1, config.num_key_value_heads, -1, config.head_dim])
        state = Variable(info)
        past = ops.read_value(self._empty_cache, state)
        whole = ops.concat([ops.gather(past, self._beams, _int(0)), new], axis=-2)
        self._assigns.append(ops.assign(whole, state))
        return whole

    def _for_all_heads(self, x: Node) -> Node:
        """Grouped-query attention: repeats each of the kv heads for its query heads."""
        config = self._config
        times = config.num_attention_heads // config.num_key_value_heads
        if times == 1:
            return x
        wide = ops.broadcast(
            ops.unsqueeze(x, _int(2)), _ints(1, 1, times, 1, 1), broadcast_spec="BIDIRECTIONAL"
        )
        return ops.reshape(wide, _ints(0, config.num_attention_heads, -1, config.head_dim), special_zero=True)

    def _rotate(self, x: Node) -> Node:
        """RoPE over x [B, heads, L, head_dim], in the form that the plugins fuse."""
        half = self._config.head_dim // 2
        step, axis = _ints(1), _ints(3)
        right = ops.slice(x, _ints(half), _ints(np.iinfo(np.int64).max), step, axis)
        left = ops.slice(x, _ints(0), _ints(half), step, axis)
        turned = ops.concat([ops.multiply(right, ops.constant(np.float32(-1))), left], axis=-1)
        return ops.add(ops.multiply(x, self._cos), ops.multiply(turned, self._sin))

    def _rope_tables(self) -> tuple[Node, Node]:
        """cos and sin, each [B, 1, L, head_dim]."""
        size = self._config.head_dim
        exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        theta, yarn = self._config.rope_theta, self._config.yarn
        frequencies = rope.frequencies(np.float32(1) / np.float32(theta) ** exponents, theta, yarn)
        positions = ops.convert(ops.unsqueeze(self._positions, _int(1)), "f32")
        angles = ops.matmul(
            ops.constant(frequencies.reshape(1, size // 2, 1).astype(np.float32)), positions, False, False
        )
        angles = ops.transpose(angles, _ints(0, 2, 1))
        angles = ops.concat([angles, angles], axis=-1)
        cos, sin = ops.cos(angles), ops.sin(angles)
        if yarn is not None:
            factor = ops.constant(np.float32(yarn.attention_factor))
            cos, sin = ops.multiply(cos, factor), ops.multiply(sin, factor)
        return ops.unsqueeze(cos, _int(1)), ops.unsqueeze(sin, _int(1))

    def _attention_mask(self) -> Node:
        """[B, 1, L, past + L]: 0 where a query sees a key, else _MASKED. Causal, and no padding is seen."""
        total, new = _size(self._mask_input, 1), _size(self._ids, 1)
        keys = ops.range(_int(0), total, _int(1), ov.Type.i64)
        queries = ops.range(ops.subtract(total, new), total, _int(1), ov.Type.i64)
        causal = ops.less_equal(ops.unsqueeze(keys, _int(0)), ops.unsqueeze(queries, _int(1)))
        real = ops.unsqueeze(ops.convert(self._mask_input, "boolean"), _ints(1, 2))
        return ops.select(ops.logical_and(real, causal), ops.constant(np.float32(0)), ops.constant(_MASKED))

    def _initial_state(self) -> Node:
        """An empty cache [B, kv_heads, 0, head_dim], the value of the state before the first call."""
        batch = ops.gather(ops.shape_of(self._ids), _ints(0), _int(0))
        rest = _ints(self._config.num_key_value_heads, 0, self._config.head_dim)
        return ops.broadcast(ops.constant(np.float32(0)), ops.concat([batch, rest], axis=0))

    def _rms_norm(self, x: Node, name: str, rank: int) -> Node:
        """x / sqrt(mean(x^2) + eps) * weight over the last axis, in the form that the plugins fuse."""
        one = [1] * rank
        square = ops.power(x, ops.constant(np.full(one, 2, np.float32)))
        mean = ops.reduce_mean(square, _ints(-1), keep_dims=True)
        root = ops.sqrt(ops.add(mean, ops.constant(np.full(one, self._config.rms_norm_eps, np.float32))))
        normal = ops.multiply(x, ops.divide(ops.constant(np.ones(one, np.float32)), root))
        return ops.multiply(vector(name, self._norm(name).reshape([1] * (rank - 1) + [-1])), normal)

    def _linear(self, x: Node, layer: int, name: str) -> Node:
        module = qwen3.layer_name(layer, name)
        return _matmul(x, self._weight(f"{module}.weight"), module)

    def _weight(self, name: str) -> Node:
        return matrix(name, self._packed(name))


class _Embedding(_Builder):
    """Ends at the hidden states, and keeps nothing from call to call."""

    def model(self) -> ov.Model:
        hidden = self._hidden(self._weight(qwen3.EMBEDDING))
        hidden.output(0).set_names({"last_hidden_state"})
        return ov.Model([ops.result(hidden)], [self._ids, self._mask_input], "Qwen3Model")

    def _places(self) -> Node:
        counted = ops.subtract(ops.cum_sum(self._mask_input, _int(1)), _int(1))
        return ops.maximum(counted, _int(0))

    def _with_past(self, new: Node, layer: int, part: str) -> Node:
        return new


def _matmul(x: Node, weight: Node, module: str) -> Node:
    """x @ weight.T, named as optimum-intel names the module's MatMul."""
    node = ops.matmul(x, weight, False, True)
    node.set_friendly_name(f"__module.{module}/ov_ext::linear/MatMul")
    return node


def _silu(x: Node) -> Node:
    """Swish without its optional second input, which ops.swish always adds and which prevents the MLP fusion."""
    return NodeFactory("opset4").create("Swish", [x.output(0)])


def _split_heads(x: Node, heads: int, size: int) -> Node:
    return ops.reshape(x, _ints(0, 0, heads, size), special_zero=True)


def _heads_first(x: Node) -> Node:
    """Swaps the axes of tokens and heads (its own inverse)."""
    return ops.transpose(x, _ints(0, 2, 1, 3))


def _parameter(name: str, shape: list[int], kind: ov.Type) -> Node:
    node = ops.parameter(shape, kind, name)
    node.set_friendly_name(name)  # the paged-attention transformation looks parameters up by this name
    node.output(0).set_names({name})
    return node


def _size(x: Node, axis: int) -> Node:
    """One dimension of x as a scalar."""
    return ops.gather(ops.shape_of(x), _int(axis), _int(0))


def _int(value: int, kind: type[np.signedinteger] = np.int64) -> Node:
    return ops.constant(np.array(value, kind))


def _ints(*values: int) -> Node:
    return ops.constant(np.array(values, np.int64))
