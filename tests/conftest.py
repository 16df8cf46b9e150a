"""Fixtures that several test files share: tokenizers, and a reranker that needs no weights."""

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from yesrank import head
from yesrank.types import EngineInfo, Hit, Prompt, Ranking

ROOT = Path(__file__).parent.parent
# the published tokenizer.json is 5 MB and not ours: tests over it run where it lies beside the repository
REAL_TOKENIZER = ROOT.parent / "shared" / "tokenizer" / "qwen3" / "tokenizer.json"
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
    corpus = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py"))]
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


@pytest.fixture(scope="session")
def small_tokenizer() -> str:
    return small_tokenizer_json()


@pytest.fixture(scope="session", params=["small", "published"])
def tokenizer_json(request: pytest.FixtureRequest) -> str:
    """A tokenizer.json: one trained here, and the published one where it is at hand."""
    if request.param == "small":
        return small_tokenizer_json()
    if not REAL_TOKENIZER.exists():
        pytest.skip(f"the published tokenizer is not at {REAL_TOKENIZER.parent}")
    return REAL_TOKENIZER.read_text(encoding="utf-8")


class WordOverlapReranker:
    """Stands in for Reranker: the logit is the share of the query's words in the document, less a half."""

    calls: ClassVar[list[dict[str, object]]] = []

    def __init__(self, model: str | None = None, **options: object) -> None:
        self.info = EngineInfo("fake", "CPU", "f32", 4, 1, 0)
        self.options = {"model": model, **options}

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
    ) -> Ranking:
        self.calls.append({**self.options, "query": query, "instruction": instruction, "top_n": top_n})
        words = set(re.findall(r"\w+", query.lower()))
        logits = np.array(
            [len(words & set(re.findall(r"\w+", text.lower()))) / len(words) - 0.5 for text in documents],
            np.float32,
        )
        scores = head.scores(logits)
        order = sorted(range(len(documents)), key=lambda index: -logits[index])[:top_n]
        hits = [
            Hit(i, float(scores[i]), float(logits[i]), len(documents[i]) > 500, documents[i]) for i in order
        ]
        return Ranking(tuple(hits), tokens=sum(map(len, documents)))

    def close(self) -> None: ...

    def __enter__(self) -> "WordOverlapReranker":
        return self

    def __exit__(self, *_: object) -> None: ...


class NoisyEngine:
    """An Engine whose hidden states are a hash of the prompt, with relative noise of a given size."""

    def __init__(self, hidden: int = 32, noise: float = 0.0) -> None:
        self.info = EngineInfo("fake", "CPU", "f32", hidden, 1, 0)
        self._hidden, self._noise = hidden, noise

    def encode(self, prompts: Sequence[Prompt], progress: object = None) -> np.ndarray:
        return (
            np.stack([self._state(prompt) for prompt in prompts]) if prompts else np.zeros((0, self._hidden))
        )

    def output_rows(self, ids: Sequence[int]) -> np.ndarray:
        return np.stack([np.random.default_rng(i).standard_normal(self._hidden) for i in ids]).astype(
            np.float32
        )

    def close(self) -> None: ...

    def _state(self, prompt: Prompt) -> np.ndarray:
        seed = zlib.crc32(json.dumps(prompt.ids).encode())
        clean, noise = np.random.default_rng(seed).standard_normal((2, self._hidden))
        return (clean + self._noise * noise).astype(np.float32)


@pytest.fixture
def fake_reranker(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[WordOverlapReranker]]:
    """Puts the stand-in where the command line looks for Reranker."""
    reranker = pytest.importorskip("yesrank.models.reranker")
    monkeypatch.setattr(reranker, "Reranker", WordOverlapReranker)
    WordOverlapReranker.calls = []
    yield WordOverlapReranker
