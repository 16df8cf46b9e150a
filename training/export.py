"""Write a checkpoint as a plain Hugging Face folder.

``python -m training.export --data DIR --run DIR --out DIR``, where ``--run`` is what training wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.model import Config, Layer, Reranker
from training.tokenizer import Encoder

POSITIONS = 8192


def layer_tensors(layer: Layer, index: int) -> dict[str, Tensor]:
    """A layer's tensors under their published names."""
    c, prefix = layer.config, f"model.layers.{index}."
    q, k, v = layer.qkv.weight.split((c.query_width, c.key_width, c.key_width))
    gate, up = layer.gate_up.weight.chunk(2)
    names = {
        "self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v,
        "self_attn.o_proj": layer.out.weight,
        "self_attn.q_norm": layer.query_norm, "self_attn.k_norm": layer.key_norm,
        "mlp.gate_proj": gate, "mlp.up_proj": up, "mlp.down_proj": layer.down.weight,
        "input_layernorm": layer.input_norm, "post_attention_layernorm": layer.mlp_norm,
    }  # fmt: skip
    return {f"{prefix}{name}.weight": tensor for name, tensor in names.items()}


def tensors(model: Reranker) -> dict[str, Tensor]:
    """All tensors in bfloat16; the head is tied to the embedding and not written."""
    out = {"model.embed_tokens.weight": model.embedding.weight, "model.norm.weight": model.norm}
    for index, layer in enumerate(model.layers):
        out |= layer_tensors(layer, index)
    return {name: tensor.detach().to(torch.bfloat16).clone().contiguous() for name, tensor in out.items()}


def hf_config(config: Config, encoder: Encoder) -> dict[str, Any]:
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "rope_scaling": None,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": config.num_hidden_layers,
        "initializer_range": 0.02,
        "torch_dtype": "bfloat16",
        "bos_token_id": None,
        "eos_token_id": encoder.full.token_to_id("<|im_end|>"),
        "pad_token_id": encoder.full.token_to_id("<|endoftext|>"),
    }


TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": POSITIONS,
    "padding_side": "left",
    "add_prefix_space": False,
    "bos_token": None,
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "unk_token": None,
    "clean_up_tokenization_spaces": False,
}


def load(data: Path, run: Path) -> tuple[Reranker, Encoder]:
    """The trained model and its tokenizer."""
    encoder = Encoder(data / "tokenizer.json")
    model = Reranker(Config(encoder.size), encoder.one("yes"), encoder.one("no"))
    state = torch.load(run / "checkpoint.pt", weights_only=False)
    model.load_state_dict(state["model"])
    return model.eval(), encoder


def write(model: Reranker, encoder: Encoder, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(model), out / "model.safetensors", metadata={"format": "pt"})
    for name, content in (
        ("config.json", hf_config(model.config, encoder)),
        ("tokenizer_config.json", TOKENIZER_CONFIG),
    ):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    encoder.full.save(str(out / "tokenizer.json"), pretty=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write(*load(args.data, args.run), args.out)
    for path in sorted(args.out.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
