"""What a GGUF file says besides its tensors: the config.json and the tokenizer.json that it was made from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yesrank.errors import CheckpointError, UnsupportedModel

RERANK_TEMPLATE = "rerank_template.txt"
"""The file that takes tokenizer.chat_template.rerank, with {query} and {document} in it."""

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4  # of llama.cpp's types of tokens; the others are padding
# Qwen2's, which llama.cpp knows by the name qwen2: its splitting is a program of its own, so the file does not hold it
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
_POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
_RANK = 4
_SCALING = "qwen3.rope.scaling."
_SCALES = {
    "factor": "factor",
    "original_context_length": "original_max_position_embeddings",
    "yarn_beta_fast": "beta_fast",
    "yarn_beta_slow": "beta_slow",
}
"""llama.cpp's keys -> those of config.json. Its factors of attention are others than transformers': not taken."""
_GIVE = (
    "give the folder of the original's tokenizer.json: yesrank convert MODEL.gguf FOLDER --tokenizer ORIGINAL"
)


def config_of(path: Path, metadata: Mapping[str, Any], names: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The content of config.json. names: shapes of the tensors by their transformers names.

    Raises UnsupportedModel for another architecture, an adapter or an embedding model, CheckpointError for keys that
    are missing.
    """
    kind = metadata.get("general.architecture")
    if metadata.get("general.type", "model") != "model" or kind != "qwen3":
        what = kind if metadata.get("general.type", "model") == "model" else metadata["general.type"]
        raise UnsupportedModel(
            f"{path} is a GGUF file of the kind {what!r}, not a Qwen3 decoder", "take one of Qwen3-Reranker"
        )
    pooling = metadata.get("qwen3.pooling_type")
    if pooling not in (None, 0, _RANK):
        raise UnsupportedModel(
            f"{path} is an embedding model (pooling {_POOLING.get(int(pooling), pooling)}): it gives vectors",
            "take a reranker, such as a GGUF file of Qwen3-Reranker-0.6B",
        )
    try:
        return _config(metadata, names)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error.args[0]}", "download the file again") from None


def notes_of(
    metadata: Mapping[str, Any], names: Mapping[str, Sequence[int]], kinds: Mapping[str, int]
) -> tuple[str, ...]:
    """What is not as one would expect, for a person to read."""
    notes = []
    if quantised := {kind: count for kind, count in kinds.items() if kind not in ("F32", "F16", "BF16")}:
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(quantised.items()))
        notes.append(
            f"its matrices are quantised already ({shown}): their rounding stays in what is made of them"
        )
    if "score.weight" not in names:
        notes.append(
            "it has no cls.output.weight, so llama.cpp cannot rank with it: yes and no are taken from its output "
            "embedding, as the model card has it"
        )
    if "tokenizer.chat_template.rerank" not in metadata:
        notes.append("it has no rerank template: asked as the model card says")
    return tuple(notes)


def tokenizer_of(path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The content of tokenizer.json. Raises UnsupportedModel where the file does not say enough for the same one."""
    model, split = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    if model != "gpt2" or split != "qwen2" or metadata.get("tokenizer.ggml.add_bos_token"):
        raise UnsupportedModel(
            f"{path}: its tokenizer ({model}, {split}) cannot be put together from the file", _GIVE
        )
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    kinds: list[int] = metadata["tokenizer.ggml.token_type"]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": index,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": kind == _CONTROL,
            }
            for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind in (_CONTROL, _USER_DEFINED)
        ],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": _SPLIT}, "behavior": "Isolated", "invert": False},
                level,
            ],
        },
        "post_processor": level,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {
                token: index
                for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
                if kind == _NORMAL
            },
            "merges": [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_config_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The content of tokenizer_config.json."""
    tokens = metadata.get("tokenizer.ggml.tokens") or []
    named = {}
    for name, key in (("eos_token", "eos"), ("pad_token", "padding")):
        index = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if index is not None and index < len(tokens):
            named[name] = tokens[index]
    return {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **named}


def check_tokenizer(path: Path, metadata: Mapping[str, Any], given: Path) -> None:
    """Raises CheckpointError where a tokenizer.json does not give the file's tokens their ids."""
    try:
        content = json.loads((given / "tokenizer.json").read_bytes())
        known = {
            **content["model"]["vocab"],
            **{each["content"]: each["id"] for each in content["added_tokens"]},
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{given / 'tokenizer.json'} cannot be read: {error}", "download it again"
        ) from error
    kinds = metadata.get("tokenizer.ggml.token_type") or []
    for index, (token, kind) in enumerate(
        zip(metadata.get("tokenizer.ggml.tokens") or [], kinds, strict=False)
    ):
        if kind in (_NORMAL, _CONTROL, _USER_DEFINED) and known.get(token) != index:
            raise CheckpointError(
                f"{given / 'tokenizer.json'} is of another model than {path}: {token!r} is {index} there, "
                f"{known.get(token)} here",
                "give the folder of the model that the GGUF file was made from",
            )


def _config(metadata: Mapping[str, Any], names: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    def number(key: str) -> Any:
        return metadata[f"qwen3.{key}"]

    ranks = "score.weight" in names
    labels = metadata.get("qwen3.classifier.output_labels") or [
        "yes",
        "no",
    ]  # the first is what llama.cpp returns
    config = {
        "architectures": ["Qwen3ForSequenceClassification" if ranks else "Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_act": "silu",
        "attention_bias": False,
        "use_sliding_window": False,
        "hidden_size": number("embedding_length"),
        "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": number("block_count"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "head_dim": number("attention.key_length"),
        "vocab_size": names["model.embed_tokens.weight"][0],
        "max_position_embeddings": number("context_length"),
        "rms_norm_eps": _short(number("attention.layer_norm_rms_epsilon")),
        "rope_theta": _short(number("rope.freq_base")),
        "tie_word_embeddings": "lm_head.weight" not in names,
    }
    if ranks and names["score.weight"][0] > 1:
        config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    return config | _rope(metadata)


def _rope(metadata: Mapping[str, Any]) -> dict[str, Any]:
    stated = {
        key.removeprefix(_SCALING): value for key, value in metadata.items() if key.startswith(_SCALING)
    }
    kind = stated.pop("type", "none")
    stated.pop("finetuned", None)  # says how it was trained, changes nothing
    if kind == "none":
        return {}
    if unknown := [key for key, value in stated.items() if key not in _SCALES and value != 1]:
        raise UnsupportedModel(
            f"the GGUF file asks for RoPE scaling with {unknown[0]}, which is not implemented",
            "take the original safetensors checkpoint instead",
        )
    scaling: dict[str, Any] = {"rope_type": kind, "rope_theta": _short(metadata["qwen3.rope.freq_base"])}
    for key, ours in _SCALES.items():
        if (value := stated.get(key)) is not None:
            scaling[ours] = value if isinstance(value, int) else _short(value)
    return {"rope_scaling": scaling}


def _short(value: float) -> float:
    """A number as it was before it was stored in float32: 1e-06, not 9.999999974752427e-07."""
    return float(str(np.float32(value)))
