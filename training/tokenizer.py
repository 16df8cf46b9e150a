"""Train the small byte-level BPE and encode the documents: ``python -m training.tokenizer --out DIR``.

Only control pieces are added tokens: Qwen's five, and the whole PREFIX and SUFFIX so that prompts stay short.
The labels, the default instruction, "yes" and "no" are plain text that the merges happen to spell briefly:
user text is encoded without added tokens, and must still read exactly as it did in training.
Reads ``groups.json``; writes ``tokenizer.json`` and ``tokens.npz`` (all documents, flat, with offsets).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from training.template import (
    CONTROL_TOKENS,
    DEFAULT_INSTRUCTION,
    OTHER_INSTRUCTIONS,
    PREFIX,
    SUFFIX,
    body_head,
    document_text,
)

VOCABULARY = 20480
STORED = 320  # tokens kept of a document; no training input is longer
# Words stand alone: "_string", "(string", "getString" and " string" share the token "string" or " string", so that
# they can match; in a small vocabulary no entry is spent on a word with a bracket before it. The prompt's labels, whose
# entries say where query and document begin, are apart from the words in them.
SPLIT = (
    r"<(?:Instruct|Query|Document)"
    r"| ?\p{Lu}+(?!\p{Ll})| ?\p{Lu}?[\p{Ll}\p{Lt}\p{Lm}\p{Lo}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Encoder:
    """Text to ids in the way of inference: control tokens in prefix and suffix only."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.full = Tokenizer.from_str(text)
        self.plain = Tokenizer.from_str(json.dumps({**json.loads(text), "added_tokens": []}))
        self.prefix = self.full.encode(PREFIX, add_special_tokens=False).ids
        self.suffix = self.full.encode(SUFFIX, add_special_tokens=False).ids
        self.size = self.full.get_vocab_size()

    def text(self, text: str) -> list[int]:
        """Ids of user text; nothing in it can become a control token."""
        return self.plain.encode(text, add_special_tokens=False).ids

    def texts(self, texts: list[str]) -> list[list[int]]:
        return [item.ids for item in self.plain.encode_batch(texts, add_special_tokens=False)]

    def head(self, instruction: str, query: str) -> list[int]:
        """What all documents of a query share: prefix, instruction, query and the label of the document."""
        return self.prefix + self.text(body_head(instruction, query))

    def documents(self, documents: list[str], room: int) -> list[list[int]]:
        """Documents cut to ``room`` tokens, each followed by the suffix."""
        return [ids[:room] + self.suffix for ids in self.texts([document_text(doc) for doc in documents])]

    def one(self, word: str) -> int:
        """The id of a word that must be one token."""
        (token,) = self.text(word)
        return token


def train_tokenizer(texts: list[str], size: int) -> Tokenizer:
    """A byte-level BPE of ``size`` entries, control tokens at its end."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    added = [*CONTROL_TOKENS, PREFIX, SUFFIX]
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(added),
        min_frequency=3,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    return tokenizer


def training_texts(docs: list[str], queries: list[str], rng: random.Random) -> list[str]:
    """Documents and queries, and the words of the template often enough to become one token each."""
    sample = rng.sample(docs, min(70_000, len(docs)))
    labels = [body_head(DEFAULT_INSTRUCTION, "?")] * 20_000 + [body_head("", "")] * 5_000
    others = [body_head(text, "") for text in OTHER_INSTRUCTIONS] * 20
    answers = ["yes", "no"] * 5_000
    return [document_text(text) for text in sample + queries] + queries + labels + others + answers


def check(encoder: Encoder) -> None:
    """The promises of the module docstring."""
    plain = encoder.plain.get_vocab_size()
    added = len(CONTROL_TOKENS) + 2
    if sorted(encoder.full.get_vocab().values()) != list(range(plain + added)):
        raise ValueError("ids are not contiguous with the added tokens at the end")
    if len(encoder.prefix) != 1 or len(encoder.suffix) != 1:
        raise ValueError("prefix and suffix must be one token each")
    for word in ("yes", "no", "<Instruct", "<Query", "<Document", ">:"):
        encoder.one(word)
    if max(encoder.text(PREFIX + SUFFIX)) >= plain:
        raise ValueError("plain text became a control token")


def encode_documents(encoder: Encoder, docs: list[str], out: Path) -> None:
    """Store the first tokens of every document, without the suffix."""
    ids = [row[:STORED] for row in encoder.texts([document_text(doc[: STORED * 8]) for doc in docs])]
    lengths = np.array([len(row) for row in ids])
    offsets = np.concatenate(([0], lengths.cumsum()))
    np.savez(out, ids=np.concatenate([np.array(row, np.uint16) for row in ids]), offsets=offsets)
    print(f"mean {lengths.mean():.0f} tokens a document, quartiles {np.percentile(lengths, [25, 50, 75])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="encode with this tokenizer.json, train none"
    )
    args = parser.parse_args()
    data = json.loads((args.out / "groups.json").read_text(encoding="utf-8"))
    path = args.out / "tokenizer.json"
    if args.keep:
        shutil.copyfile(args.keep, path)
    else:
        queries = [group["query"] for group in data["groups"]]
        texts = training_texts(data["docs"], queries, random.Random(0))
        train_tokenizer(texts, VOCABULARY).save(str(path))
    encoder = Encoder(path)
    check(encoder)
    head = encoder.head(DEFAULT_INSTRUCTION, "How is it made?")
    print(f"{encoder.size} entries; a head: {[encoder.plain.decode([i]) for i in head[1:]]}", flush=True)
    encode_documents(encoder, data["docs"], args.out / "tokens.npz")


if __name__ == "__main__":
    main()
