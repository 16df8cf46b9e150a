"""The model that all contenders run: random weights of a published size, converted by yesrank."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from yesrank.bench import synthetic_documents
from yesrank.convert import convert
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.randomweights import write_random_checkpoint

# sentence-transformers writes its prompt with a chat template over these two roles. Expressions keep the newlines at
# the end, which Jinja strips from plain text.
_CHAT_TEMPLATE = """\
{{- PREFIX -}}
{{- "<Instruct>: " + INSTRUCTION + "\\n<Query>: " -}}
{{- messages | selectattr("role", "eq", "query") | map(attribute="content") | first -}}
{{- "\\n<Document>: " -}}
{{- messages | selectattr("role", "eq", "document") | map(attribute="content") | first -}}
{{- SUFFIX -}}
"""
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_ADDED = ("<think>", "</think>")


def prepare(work: Path, preset: str, tokenizer: Path | None, say: Callable[[str], None]) -> dict[str, Path]:
    """Makes what `work` does not hold yet. Returns the folders `source`, `int8` and `bf16`."""
    stem = f"{preset}-{'own' if tokenizer is None else 'given'}-tokenizer"
    folders = {name: work / f"{stem}-{name}" for name in ("source", "int8", "bf16")}
    if not folders["source"].exists():
        say(f"random weights of the {preset}")
        staging = work / f"{stem}-partial"
        shutil.rmtree(staging, ignore_errors=True)
        write_random_checkpoint(staging, preset, tokenizer=tokenizer)
        if tokenizer is None:
            _write_own_tokenizer(staging)
        (staging / "chat_template.jinja").write_text(_chat_template(), encoding="utf-8")
        staging.rename(folders["source"])
    for weights in ("int8", "bf16"):
        if not folders[weights].exists():
            say(f"converting to {weights}")
            convert(folders["source"], folders[weights], weights=weights)
    return folders


def _chat_template() -> str:
    card = TEMPLATES["card"]
    texts = {"PREFIX": card.prefix, "INSTRUCTION": DEFAULT_INSTRUCTION, "SUFFIX": card.suffix}
    template = _CHAT_TEMPLATE
    for name, text in texts.items():
        template = template.replace(name, json.dumps(text))
    return template


def _write_own_tokenizer(folder: Path) -> None:
    """A byte-level BPE that spells the benchmark's words with a token each, as the published one does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, "")
    texts = [*synthetic_documents(2000, 100, seed=0), *["yes\n", "no\n"] * 1000]
    texts += [around.prefix, around.head, around.suffix] * 1000
    trainer = trainers.BpeTrainer(
        vocab_size=4000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in _SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in _ADDED])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|endoftext|>",
        "model_max_length": 8192,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
