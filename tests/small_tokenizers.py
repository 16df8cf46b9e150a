"""A tokenizer of Qwen3's kind that is small enough to be trained in the tests."""

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

ROOT = Path(__file__).parent.parent
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
ADDED = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "<think>", "</think>")


def small_tokenizer_json() -> str:
    """A byte-level BPE of a thousand tokens with Qwen3's normalizer, pattern and kinds of added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    # texts that never change, or the ids of every test's prompts, and so its figures, would move with each commit
    corpus = [(ROOT / "LICENSE").read_text(encoding="utf-8")]
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator([*corpus, " yes no" * 5000, "yes\nno\n" * 5000], trainer)
    for token in ADDED:
        added = AddedToken(token, special=token.startswith("<|"), normalized=False)
        (tokenizer.add_special_tokens if added.special else tokenizer.add_tokens)([added])
    return str(tokenizer.to_str())
