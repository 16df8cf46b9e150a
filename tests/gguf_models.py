"""GGUF files as llama.cpp's converter writes them: the same keys, names and types, through the package `gguf`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint

TEMPLATE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: {query}\n"
    "<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
RANK = 4
Kind = gguf.GGMLQuantizationType


def write_gguf(
    path: Path,
    checkpoint: Checkpoint,
    kind: str = "F32",
    *,
    ranks: bool = True,
    template: str | None = TEMPLATE,
    tokenizer: str | None = None,
    change: Callable[[gguf.GGUFWriter], object] | None = None,
    extra: Mapping[str, np.ndarray] = {},
) -> Path:
    """The checkpoint as a GGUF file with matrices of a type. ranks: with cls.output and the pooling that goes with it.

    tokenizer: content of a tokenizer.json; None for the checkpoint's. change: writes other metadata.
    """
    config = checkpoint.config
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_type("model")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    content = json.loads(tokenizer or (checkpoint.folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = _add_tokenizer(writer, content, config.vocab_size)
    if ranks:
        writer.add_pooling_type(gguf.PoolingType.RANK)
        writer.add_classifier_output_labels(["yes", "no"])
        if template is not None:
            writer.add_chat_template([{"name": "rerank", "template": template}])
    if change is not None:
        change(writer)
    for name in qwen3.tensors(config):
        _add(writer, _name(name), checkpoint.float32(name), kind)
    if ranks:
        head = checkpoint.float32(qwen3.head_tensor(config))
        _add(writer, "cls.output.weight", head[[words["yes"], words["no"]]], "F32")
    for name, tensor in extra.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _name(name: str) -> str:
    if name in (qwen3.EMBEDDING, qwen3.FINAL_NORM, qwen3.HEAD):
        outer = {qwen3.EMBEDDING: "token_embd", qwen3.FINAL_NORM: "output_norm", qwen3.HEAD: "output"}
        return f"{outer[name]}.weight"
    _, _, layer, *inner, _ = name.split(".")
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
    }
    short = ".".join(inner)
    block = names.get(
        short, short.replace("self_attn.", "attn_").replace("mlp.", "ffn_").replace("_proj", "")
    )
    return f"blk.{layer}.{block}.weight"


def _add(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray, kind: str) -> None:
    """Norms stay in float32, as llama.cpp keeps them, and of the types that are drawn at random all but two kinds."""
    if kind in _FACTORS and any(part in name for part in ("ffn_down", "attn_v")):
        writer.add_tensor(name, _drawn(tensor.shape, kind), raw_dtype=Kind[kind])
    elif tensor.ndim == 1 or kind == "F32" or kind in _FACTORS:
        writer.add_tensor(name, tensor)
    elif kind == "F16":
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        writer.add_tensor(name, gguf.quants.quantize(tensor, Kind[kind]), raw_dtype=Kind[kind])


_FACTORS = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ4_XS": (0,)}
"""Where a block of a type that the package cannot write has its float16 factors."""


def _drawn(shape: Sequence[int], kind: str) -> np.ndarray:
    """Random blocks: whatever they mean, both programs have to mean the same. The numbers have deviation 0.04."""
    weights, size = gguf.constants.GGML_QUANT_SIZES[Kind[kind]]
    random = np.random.default_rng(list(kind.encode()))
    rows = random.integers(0, 256, (shape[0], shape[1] // weights, size), np.uint8)
    factor = 1.0
    for _ in range(2):
        for place in _FACTORS[kind]:
            rows[..., place : place + 2] = np.frombuffer(np.float16(factor).tobytes(), np.uint8)
        factor = 0.04 / float(gguf.quants.dequantize(rows.reshape(shape[0], -1), Kind[kind]).std())
    return rows.reshape(shape[0], -1)


def _add_tokenizer(writer: gguf.GGUFWriter, content: Mapping[str, Any], size: int) -> Mapping[str, int]:
    words = {index: token for token, index in content["model"]["vocab"].items()}
    added = {each["id"]: each for each in content["added_tokens"]}
    tokens, kinds = [], []
    for index in range(size):
        if index in added:
            tokens.append(added[index]["content"])
            special = added[index]["special"] or tokens[-1].startswith("<|")
            kinds.append(gguf.TokenType.CONTROL if special else gguf.TokenType.USER_DEFINED)
        else:
            tokens.append(words.get(index, f"[PAD{index}]"))
            kinds.append(gguf.TokenType.NORMAL if index in words else gguf.TokenType.UNUSED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = content["model"]["merges"]
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in merges])
    writer.add_eos_token_id(next(index for index, each in added.items() if each["content"] == "<|im_end|>"))
    writer.add_add_bos_token(False)
    return dict(content["model"]["vocab"])
