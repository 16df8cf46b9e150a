"""Small random models that transformers itself builds, saves and runs: the independent opinion.

Imports of PyTorch and transformers lie inside the functions, so that the tests can be collected without them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yesrank.prompt import DEFAULT_INSTRUCTION

CARD_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
CARD_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
VOCABULARY = 1024  # a little more than the tests' tokenizer has: published models have unused rows, too
F32 = {  # OpenVINO on the CPU, with nothing rounded on the way
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}


@dataclass(frozen=True)
class Shape:
    """A small Qwen3. Sizes differ from each other, so that a mix-up of two axes cannot pass."""

    hidden: int = 64
    inner: int = 96
    layers: int = 2
    heads: int = 4
    groups: int = 2
    head_dim: int = 32
    theta: float = 1e6
    tied: bool = True

    def __str__(self) -> str:
        tied = "tied" if self.tied else "untied"
        return (
            f"{tied}-L{self.layers}-H{self.heads}:{self.groups}x{self.head_dim}-D{self.hidden}-{self.theta:g}"
        )


def build(shape: Shape, dtype: str, seed: int = 0) -> Any:
    """A Qwen3ForCausalLM with random weights that make logits of a few units."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.groups,
        head_dim=shape.head_dim,
        max_position_embeddings=4096,
        rope_theta=shape.theta,
        tie_word_embeddings=shape.tied,
        attn_implementation="eager",
    )
    model = Qwen3ForCausalLM(config)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=draw)
            if weight.ndim == 1:  # norms away from one, so that leaving a weight out shows
                weight.copy_(1 + 0.2 * noise)
            else:
                weight.copy_(
                    noise * (0.3 if "embed" in name or "lm_head" in name else weight.shape[1] ** -0.5)
                )
    return model.to(getattr(torch, dtype)).eval()


def save(folder: Path, shape: Shape, dtype: str, tokenizer_json: str) -> Path:
    """Saves the model of `build` as transformers does, with a tokenizer; returns the folder."""
    build(shape, dtype).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "model_max_length": 4096,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def load(folder: Path) -> Any:
    """The saved model in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def random_prompts(lengths: Sequence[int], seed: int = 0) -> list[tuple[int, ...]]:
    draw = np.random.default_rng(seed)
    return [tuple(draw.integers(0, VOCABULARY, length).tolist()) for length in lengths]


def last_logits(model: Any, prompts: Sequence[Sequence[int]]) -> np.ndarray:
    """Logits of each prompt's last token, one prompt at a time, without padding or cache: float32 [N, V].

    model: of transformers or optimum-intel, which are called alike.
    """
    import torch

    rows = []
    with torch.no_grad():
        for ids in prompts:
            tokens = torch.tensor([list(ids)])
            logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
            rows.append(logits[0, -1].float().numpy())
    return np.stack(rows)


def padded(prompts: Sequence[Sequence[int]], side: str) -> tuple[Any, Any]:
    """input_ids and attention_mask of one batch."""
    import torch

    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), 7)  # any id: what is masked must not matter
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        where = slice(0, len(prompt)) if side == "right" else slice(width - len(prompt), width)
        ids[row, where] = torch.tensor(list(prompt))
        mask[row, where] = 1
    return ids, mask


def card_logits(
    folder: Path, query: str, documents: Sequence[str], instruction: str = DEFAULT_INSTRUCTION
) -> np.ndarray:
    """The recipe of the model card of Qwen3-Reranker, through transformers in float32: yes minus no, float32 [N].

    Written from the card and not from yesrank: its own texts (above), the tokenizer of transformers, left padding.
    """
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    prefix = tokenizer.encode(CARD_PREFIX, add_special_tokens=False)
    suffix = tokenizer.encode(CARD_SUFFIX, add_special_tokens=False)
    pairs = [f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}" for document in documents]
    bodies = tokenizer(pairs, padding=False, return_attention_mask=False, add_special_tokens=False)[
        "input_ids"
    ]
    ids, mask = padded([prefix + body + suffix for body in bodies], "left")
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    with torch.no_grad():
        logits = load(folder)(input_ids=ids, attention_mask=mask).logits[:, -1]
    return (logits[:, yes] - logits[:, no]).numpy()
