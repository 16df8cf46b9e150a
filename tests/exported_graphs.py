"""ONNX files as others publish them: full logits, exported from PyTorch and fused by onnxruntime.

Written by hand over a checkpoint, so that tests need no PyTorch. seqlens_k is the sum of the mask less one, as
exporters write it, so left padding gives wrong numbers here, as it does in the published files.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import rope_tables

_MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and initialisers as they come; `node` returns the name of the new node's first output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._count = 0

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: object) -> str:
        self._count += 1
        names = [f"{kind}_{self._count}"] + [f"{kind}_{self._count}_{index}" for index in range(1, outputs)]
        self.nodes.append(
            helper.make_node(kind, inputs, names, names[0], domain=domain, **attributes)  # type: ignore[arg-type]
        )
        return names[0]


def write_exported(
    folder: Path,
    checkpoint: Checkpoint,
    name: str = "model.onnx",
    *,
    cache: bool = True,
    keep: bool = False,
    external: str | None = None,
    head: str = "float",
) -> Path:
    """folder/onnx/`name` with logits [B, S, V]. cache: with past and present. keep: with num_logits_to_keep.

    external: name of a file that takes the weights. head: how the vocabulary matrix is stored, see HEADS.
    """
    graph, config = Graph(), checkpoint.config
    past = past_names(config) if cache else ()
    hidden, presents = _decoder(graph, checkpoint, past)
    if keep:
        hidden = _last(graph, hidden)
    HEADS[head](graph, checkpoint, hidden)
    graph.nodes[-1].output[0] = "logits"
    model = _model(graph, config, past, ["logits", *presents], keep=keep)
    path = folder / "onnx" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if external is None:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=256)
    return path


def past_names(config: qwen3.Qwen3Config) -> tuple[str, ...]:
    return tuple(
        f"past_key_values.{layer}.{part}"
        for layer in range(config.num_hidden_layers)
        for part in ("key", "value")
    )


def _decoder(graph: Graph, checkpoint: Checkpoint, past: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the final norm's output, and of the presents."""
    config, read = checkpoint.config, checkpoint.float32
    cos, sin = rope_tables(np.arange(config.max_position_embeddings), config)
    graph.weight("cos", cos[:, 0]), graph.weight("sin", sin[:, 0])
    graph.weight("one", np.array([1], np.int64)), graph.weight("index_one", np.array(1, np.int64))
    graph.weight("split", np.array([0, -1, config.head_dim], np.int64))
    for part, heads in (("query", config.num_attention_heads), ("key", config.num_key_value_heads)):
        graph.weight(f"join_{part}", np.array([0, -1, heads * config.head_dim], np.int64))
    total = graph.node("ReduceSum", "attention_mask", "one", keepdims=0)
    lengths = graph.node("Cast", graph.node("Sub", total, "one"), to=TensorProto.INT32)
    size = graph.node("Gather", graph.node("Shape", "attention_mask"), "index_one")
    size = graph.node("Cast", size, to=TensorProto.INT32)
    embedding = graph.weight(qwen3.EMBEDDING, read(qwen3.EMBEDDING))
    residual = graph.node("Gather", embedding, "input_ids")
    x, presents = "", []
    for layer in range(config.num_hidden_layers):
        weight = _layer_weights(graph, checkpoint, layer)
        if layer == 0:
            norm = weight["input_layernorm.weight"]
            x = graph.node("SimplifiedLayerNormalization", residual, norm, **_norm(config))
        else:
            x, residual = _skip(graph, config, residual, x, weight["input_layernorm.weight"])
        q, k = (_heads(graph, config, x, weight, part) for part in ("query", "key"))
        v = graph.node("MatMul", x, weight["self_attn.v_proj.weight"])
        kv = past[2 * layer : 2 * layer + 2] or ("", "")
        mixed = graph.node(
            "GroupQueryAttention",
            *(q, k, v, *kv, lengths, size, "cos", "sin"),
            outputs=3,
            domain=_MICROSOFT,
            num_heads=config.num_attention_heads,
            kv_num_heads=config.num_key_value_heads,
            do_rotary=1,
            scale=config.head_dim**-0.5,
        )
        if past:
            names = [name.replace("past_key_values", "present") for name in kv]
            graph.nodes[-1].output[1:] = names
            presents += names
        x = graph.node("MatMul", mixed, weight["self_attn.o_proj.weight"])
        x, residual = _skip(graph, config, residual, x, weight["post_attention_layernorm.weight"])
        x = _mlp(graph, x, weight)
    hidden, _ = _skip(graph, config, residual, x, graph.weight(qwen3.FINAL_NORM, read(qwen3.FINAL_NORM)))
    return hidden, presents


def _layer_weights(graph: Graph, checkpoint: Checkpoint, layer: int) -> dict[str, str]:
    """Names by short name; matrices are transposed to [in, out]."""
    return {
        name: graph.weight(qwen3.layer_name(layer, name), checkpoint.float32(qwen3.layer_name(layer, name)).T)
        for name in qwen3.layer_tensors(checkpoint.config)
    }


def _heads(graph: Graph, config: qwen3.Qwen3Config, x: str, weight: dict[str, str], part: str) -> str:
    letter = part[0]
    y = graph.node("Reshape", graph.node("MatMul", x, weight[f"self_attn.{letter}_proj.weight"]), "split")
    y = graph.node(
        "SimplifiedLayerNormalization", y, weight[f"self_attn.{letter}_norm.weight"], **_norm(config)
    )
    return graph.node("Reshape", y, f"join_{part}")


def _mlp(graph: Graph, x: str, weight: dict[str, str]) -> str:
    gate = graph.node("MatMul", x, weight["mlp.gate_proj.weight"])
    up = graph.node("MatMul", x, weight["mlp.up_proj.weight"])
    silu = graph.node("Mul", gate, graph.node("Sigmoid", gate))
    return graph.node("MatMul", graph.node("Mul", silu, up), weight["mlp.down_proj.weight"])


def _skip(graph: Graph, config: qwen3.Qwen3Config, residual: str, x: str, norm: str) -> tuple[str, str]:
    """(normalised, new residual)."""
    y = graph.node(
        "SkipSimplifiedLayerNormalization",
        *(residual, x, norm),
        outputs=4,
        domain=_MICROSOFT,
        epsilon=config.rms_norm_eps,
    )
    node = graph.nodes[-1]
    node.output[1:3] = ["", ""]
    return y, node.output[3]


def _last(graph: Graph, hidden: str) -> str:
    """hidden[:, -num_logits_to_keep:], where 0 keeps all."""
    start = graph.node(
        "Unsqueeze", graph.node("Neg", "num_logits_to_keep"), graph.weight("axis0", np.array([0]))
    )
    ends = graph.weight("ends", np.array([np.iinfo(np.int64).max]))
    return graph.node("Slice", hidden, start, ends, "one")


def _float_head(graph: Graph, checkpoint: Checkpoint, hidden: str) -> None:
    """MatMul; a tied matrix is a Transpose of the embedding."""
    if checkpoint.config.tie_word_embeddings:
        matrix = graph.node("Transpose", qwen3.EMBEDDING, perm=[1, 0])
    else:
        matrix = graph.weight(qwen3.HEAD, _matrix(checkpoint).T)
    graph.node("MatMul", hidden, matrix)


def _half_head(graph: Graph, checkpoint: Checkpoint, hidden: str) -> None:
    """float16, and back."""
    matrix = graph.weight("head", _matrix(checkpoint).T.astype(np.float16))
    graph.node("Cast", graph.node("MatMul", graph.node("Cast", hidden, to=TensorProto.FLOAT16), matrix), to=1)


def _integer_head(graph: Graph, checkpoint: Checkpoint, hidden: str) -> None:
    """As onnxruntime's quantize_dynamic writes it: one scale for all rows."""
    matrix = _matrix(checkpoint)
    scale = np.float32(np.abs(matrix).max() / 127)
    stored = graph.weight("head", np.round(matrix / scale).astype(np.int8).T)
    quantised = graph.node("DynamicQuantizeLinear", hidden, outputs=3)
    _, x_scale, x_zero = graph.nodes[-1].output
    zero = graph.weight("head_zero", np.array(0, np.int8))
    product = graph.node("MatMulInteger", quantised, stored, x_zero, zero)
    factor = graph.node("Mul", x_scale, graph.weight("head_scale", np.array(scale)))
    graph.node("Mul", graph.node("Cast", product, to=TensorProto.FLOAT), factor)


def _fused_integer_head(graph: Graph, checkpoint: Checkpoint, hidden: str) -> None:
    """The same after onnxruntime's own fusion, with a scale for each row."""
    matrix = _matrix(checkpoint)
    scale = (np.abs(matrix).max(axis=1) / 127).astype(np.float32)
    stored = graph.weight("head", np.round(matrix / scale[:, None]).astype(np.int8).T)
    parts = graph.weight("head_scale", scale), graph.weight("head_zero", np.zeros(len(scale), np.int8))
    graph.node("DynamicQuantizeMatMul", hidden, stored, *parts, domain=_MICROSOFT)


def _block_head(graph: Graph, checkpoint: Checkpoint, hidden: str) -> None:
    """4 bits in blocks of 32, with zero points."""
    matrix = _matrix(checkpoint)
    rows, width = matrix.shape
    blocks = matrix.reshape(rows, -1, 32)
    low, high = blocks.min(axis=2), blocks.max(axis=2)
    scale = ((high - low) / 15).astype(np.float32)
    zero = np.clip(np.round(-low / scale), 0, 15).astype(np.uint8)
    values = np.clip(np.round(blocks / scale[..., None]) + zero[..., None], 0, 15).astype(np.uint8)
    zero = np.pad(zero, ((0, 0), (0, zero.shape[1] % 2)))
    parts = (
        graph.weight("head", values[..., ::2] | values[..., 1::2] << 4),
        graph.weight("head_scale", scale),
        graph.weight("head_zero", zero[:, ::2] | zero[:, 1::2] << 4),
    )
    shape = {"K": width, "N": rows, "bits": 4, "block_size": 32}
    graph.node("MatMulNBits", hidden, *parts, domain=_MICROSOFT, **shape)


def _matrix(checkpoint: Checkpoint) -> np.ndarray:
    return checkpoint.float32(qwen3.head_tensor(checkpoint.config))


HEADS = {
    "float": _float_head,
    "half": _half_head,
    "integer": _integer_head,
    "fused": _fused_integer_head,
    "block": _block_head,
}
"""The forms in which published files hold the vocabulary matrix."""


def _norm(config: qwen3.Qwen3Config) -> dict[str, object]:
    return {"epsilon": config.rms_norm_eps, "axis": -1}


def _model(
    graph: Graph, config: qwen3.Qwen3Config, past: Sequence[str], outputs: Sequence[str], *, keep: bool
) -> onnx.ModelProto:
    shape = ["batch_size", config.num_key_value_heads, "past_sequence_length", config.head_dim]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", length])
        for name, length in (
            ("input_ids", "sequence_length"),
            ("attention_mask", "total_sequence_length"),
            ("position_ids", "sequence_length"),
        )
    ]
    if keep:
        inputs.append(helper.make_tensor_value_info("num_logits_to_keep", TensorProto.INT64, []))
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in past]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(graph.nodes, "exported", inputs, results, graph.weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)
