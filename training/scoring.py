"""Logits of the exported folder, computed by the training module."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.batches import pad
from training.model import Config, Reranker
from training.template import DEFAULT_INSTRUCTION
from training.tokenizer import Encoder

EXAMPLES = {
    "What is the capital of France?": [
        "Berlin is the capital of Germany.",
        "Paris is the capital and largest city of France.",
        "France is a country in Western Europe.",
    ],
    "Which planet is known as the Red Planet?": [
        "Venus is often called Earth's twin because of its similar size and proximity.",
        "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
        "Jupiter, the largest planet in our solar system, has a prominent red spot.",
        "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
    ],
}


class Scorer:
    """Logits of the exported model for one query and its documents."""

    def __init__(self, folder: Path, room: int, dtype: torch.dtype) -> None:
        self.encoder = Encoder(folder / "tokenizer.json")
        self.model = load_folder(folder, self.encoder)
        self.room, self.dtype = room, dtype

    @torch.no_grad()
    def logits(self, query: str, docs: list[str], instruction: str = DEFAULT_INSTRUCTION) -> list[float]:
        """Documents are cut to ``room`` tokens; the query is never cut."""
        head = self.encoder.head(instruction, query)
        batch = pad([head], [self.encoder.documents(docs, self.room)])
        return self.model(batch, self.dtype)[0].tolist()


def load_folder(folder: Path, encoder: Encoder) -> Reranker:
    """The inverse of training.export."""
    stored = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    model = Reranker(Config(encoder.size), encoder.one("yes"), encoder.one("no"))
    state = {"embedding.weight": stored["model.embed_tokens.weight"], "norm": stored["model.norm.weight"]}
    for index in range(len(model.layers)):
        state |= {f"layers.{index}.{name}": tensor for name, tensor in layer_state(stored, index).items()}
    model.load_state_dict(state)
    return model.eval()


def layer_state(stored: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    def get(*names: str) -> Tensor:
        return torch.cat([stored[f"model.layers.{index}.{name}.weight"] for name in names])

    return {
        "qkv.weight": get("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "out.weight": get("self_attn.o_proj"),
        "gate_up.weight": get("mlp.gate_proj", "mlp.up_proj"),
        "down.weight": get("mlp.down_proj"),
        "input_norm": get("input_layernorm"),
        "mlp_norm": get("post_attention_layernorm"),
        "query_norm": get("self_attn.q_norm"),
        "key_norm": get("self_attn.k_norm"),
    }
