"""The Qwen3 decoder, stated once: configuration, tensor names, shapes, the rule for the tied head.

The reference engine, the checks on a checkpoint and both emitters read the architecture from here.
Sources: config.json of the published checkpoints, and `Qwen3ForCausalLM` of Hugging Face transformers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yesrank import rope
from yesrank.errors import CheckpointError, UnsupportedModel
from yesrank.filekinds import read_json
from yesrank.rope import Yarn

EMBEDDING = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"
HEAD = "lm_head.weight"
SCORE = "score.weight"
"""The head of a classifier (Qwen3ForSequenceClassification), in the place of the output embedding."""
LABELS = 2
"""Rows of such a head, that of no and that of yes; one with a single label gets a row of zeros for no."""
CLASSIFIER = "Qwen3ForSequenceClassification"
LONGEST = 32768
"""The longest prompt in tokens that the model card vouches for, without RoPE scaling."""


@dataclass(frozen=True, slots=True)
class Qwen3Config:
    """The numbers that define a Qwen3 decoder (names as in config.json)."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    tie_word_embeddings: bool
    yarn: Yarn | None = None
    labels: int = 0
    """Rows of the head of a classifier; 0 for a language model."""

    @property
    def outputs(self) -> int:
        """How many answers there are to choose from: rows of the head."""
        return self.labels or self.vocab_size

    @property
    def positions(self) -> int:
        """How many positions there are: those of config.json, or those that the scaling makes of them."""
        return max(self.max_position_embeddings, self.yarn.positions if self.yarn else 0)

    @property
    def longest(self) -> int:
        """The longest prompt in tokens that may be asked for."""
        return self.positions if self.yarn else min(LONGEST, self.positions)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> "Qwen3Config":
        """Reads a config.json. Raises UnsupportedModel for another architecture, CheckpointError for missing keys."""
        _refuse_other_architectures(config)
        try:
            heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
            theta, yarn = rope.read(config)
            labels = LABELS if is_classifier(config) else 0
            return cls(
                hidden_size=hidden,
                intermediate_size=int(config["intermediate_size"]),
                num_hidden_layers=int(config["num_hidden_layers"]),
                num_attention_heads=heads,
                num_key_value_heads=int(config.get("num_key_value_heads") or heads),
                head_dim=int(config.get("head_dim") or hidden // heads),
                vocab_size=int(config["vocab_size"]),
                max_position_embeddings=int(config["max_position_embeddings"]),
                rms_norm_eps=float(config.get("rms_norm_eps", 1e-6)),
                rope_theta=theta,
                tie_word_embeddings=not labels and bool(config.get("tie_word_embeddings", False)),
                yarn=yarn,
                labels=labels,
            )
        except KeyError as error:
            raise CheckpointError(
                f"config.json lacks {error.args[0]!r}", "download config.json again"
            ) from None
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"config.json has a value of the wrong kind: {error}") from None

    @classmethod
    def from_folder(cls, folder: Path) -> "Qwen3Config":
        """Reads folder/config.json. Raises CheckpointError where it is missing or not JSON."""
        return cls.from_dict(read_config(folder))


def is_classifier(config: dict[str, Any]) -> bool:
    """Whether a config.json is of a model that ends in labels instead of a vocabulary."""
    return CLASSIFIER in (config.get("architectures") or ())


def read_config(folder: Path) -> dict[str, Any]:
    """folder/config.json as a dict. Raises CheckpointError where it is missing or not a JSON object."""
    path = folder / "config.json"
    config = read_json(path)
    if config is None and not path.is_file():
        if (folder / GENAI).is_file():
            return _of_genai(folder / GENAI)
        raise CheckpointError(f"{folder} has no config.json", "give the folder of a Qwen3 checkpoint")
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a JSON object", "download config.json again")
    return config


GENAI = "genai_config.json"
"""What onnxruntime-genai's builder writes in the place of a config.json."""


def _of_genai(path: Path) -> dict[str, Any]:
    """As much of a config.json as onnxruntime-genai keeps, with 0 for what only the graph knows."""
    try:
        model = json.loads(path.read_bytes())["model"]
        decoder = model["decoder"]
        kept = {
            "model_type": model["type"],
            "vocab_size": model["vocab_size"],
            "max_position_embeddings": model["context_length"],
            "head_dim": decoder["head_size"],
            **{
                name: decoder[name]
                for name in (
                    "hidden_size",
                    "num_attention_heads",
                    "num_key_value_heads",
                    "num_hidden_layers",
                )
            },
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error!r}", "build the model again") from error
    return {**kept, "intermediate_size": 0, "rms_norm_eps": 0.0, "rope_theta": 0.0}


def layer_tensors(config: Qwen3Config) -> dict[str, tuple[int, ...]]:
    """Names (after `model.layers.N.`) and shapes of one layer's tensors; matrices are [out, in]."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    return {
        "input_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "self_attn.q_norm.weight": (config.head_dim,),
        "self_attn.k_norm.weight": (config.head_dim,),
        "post_attention_layernorm.weight": (hidden,),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
    }


def layer_name(layer: int, name: str) -> str:
    """The full name of a layer's tensor."""
    return f"model.layers.{layer}.{name}"


def tensors(config: Qwen3Config) -> dict[str, tuple[int, ...]]:
    """Every tensor by full name, in the order of the computation."""
    result: dict[str, tuple[int, ...]] = {EMBEDDING: (config.vocab_size, config.hidden_size)}
    for layer in range(config.num_hidden_layers):
        result |= {layer_name(layer, name): shape for name, shape in layer_tensors(config).items()}
    result[FINAL_NORM] = (config.hidden_size,)
    if not config.tie_word_embeddings:
        result[head_tensor(config)] = (config.outputs, config.hidden_size)
    return result


def head_tensor(config: Qwen3Config) -> str:
    """The tensor that holds the output embedding: the input embedding itself where the two are tied."""
    if config.labels:
        return SCORE
    return EMBEDDING if config.tie_word_embeddings else HEAD


def _refuse_other_architectures(config: dict[str, Any]) -> None:
    kind = config.get("model_type")
    if kind != "qwen3":
        raise UnsupportedModel(
            f"config.json describes {kind!r}, not a Qwen3 decoder",
            "yesrank runs Qwen3-Reranker (model_type qwen3)",
        )
    if config.get("auto_map"):
        raise UnsupportedModel(
            "config.json names code of its own that computes the model (auto_map), which yesrank does not run",
            "where it is a plain Qwen3 all the same, take auto_map out of config.json",
        )
    for name in config.get("architectures") or ():
        if name not in ("Qwen3ForCausalLM", "Qwen3Model", CLASSIFIER):
            raise UnsupportedModel(
                f"config.json is of a {name}; yesrank reads the original language model (Qwen3ForCausalLM)",
                "download the checkpoint that it was made from, for example Qwen/Qwen3-Reranker-0.6B",
            )
    for key in ("attention_bias", "use_sliding_window"):
        if config.get(key):
            raise UnsupportedModel(
                f"config.json sets {key}, which the published Qwen3 retrieval models do not"
            )
    if config.get("hidden_act", "silu") != "silu":
        raise UnsupportedModel(
            f"config.json asks for the activation {config['hidden_act']!r}; Qwen3 has silu"
        )
