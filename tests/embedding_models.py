"""Folders as Qwen publishes its embedding models, with random weights and of small sizes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from random_models import CONFIG
from safetensors.numpy import load_file, save_file

from yesrank.prompt import DEFAULT_INSTRUCTION
from yesrank.qwen3 import Qwen3Config
from yesrank.randomweights import write_random_checkpoint

END = "<|endoftext|>"
QUERY_PROMPT = f"Instruct: {DEFAULT_INSTRUCTION}\nQuery:"
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
BESIDE = ("modules.json", "1_Pooling/config.json", "config_sentence_transformers.json")


def appending(tokenizer_json: str, token: str = END) -> str:
    """The tokenizer with the post-processor of Qwen3-Embedding: it puts the token after a text."""
    spec = json.loads(tokenizer_json)
    [number] = [each["id"] for each in spec["added_tokens"] if each["content"] == token]
    end = {"SpecialToken": {"id": token, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    template = {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }
    spec["post_processor"] = {"type": "Sequence", "processors": [bytes_, template]}
    return json.dumps(spec)


def write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def write_embedder(
    folder: Path,
    tokenizer_json: str,
    *,
    config: Qwen3Config = CONFIG,
    tied: bool = True,
    dtype: str = "bf16",
    seed: int = 7,
    beside: bool = True,
) -> Path:
    """Tensors without `model.` and without lm_head, whatever config.json ties; returns the folder.

    beside: with the files of sentence-transformers.
    """
    write_random_checkpoint(folder, replace(config, tie_word_embeddings=tied), dtype=dtype, seed=seed)
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("model."): each for name, each in tensors.items() if "lm_head" not in name}
    save_file(bare, folder / "model.safetensors", {"format": "pt"})
    write(folder, "tokenizer.json", appending(tokenizer_json))
    write(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": END,
        "eos_token": "<|im_end|>",
        "padding_side": "left",
        "model_max_length": 131072,
        "clean_up_tokenization_spaces": False,
    })  # fmt: skip
    if beside:
        write(folder, "modules.json", MODULES)
        modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens")
        pooling = {f"pooling_mode_{mode}": False for mode in modes} | {"pooling_mode_lasttoken": True}
        size = {"word_embedding_dimension": config.hidden_size, "include_prompt": True}
        write(folder, "1_Pooling/config.json", {**size, **pooling})
        prompts = {"query": QUERY_PROMPT, "document": ""}
        write(
            folder,
            "config_sentence_transformers.json",
            {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
        )
    return folder
