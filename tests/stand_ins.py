"""A reranker and an engine that need no weights, for tests of what stands above them."""

import json
import re
import zlib
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from yesrank import head
from yesrank.types import EngineInfo, Hit, Prompt, Ranking


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
        threshold: float | None = None,
        progress: Callable[[int], None] | bool = False,
        as_text: bool = False,
        long: str = "cut",
    ) -> Ranking:
        self.calls.append({**self.options, "query": query, "instruction": instruction, "top_n": top_n})
        words = set(re.findall(r"\w+", query.lower()))
        logits = np.array(
            [len(words & set(re.findall(r"\w+", text.lower()))) / len(words) - 0.5 for text in documents],
            np.float32,
        )
        if callable(progress):
            progress(len(documents))
        scores = head.scores(logits)
        order = sorted(range(len(documents)), key=lambda index: -logits[index])[:top_n]
        hits = [
            Hit(i, float(scores[i]), float(logits[i]), len(documents[i]) > 500, documents[i])
            for i in order
            if scores[i] >= (threshold or 0)
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
