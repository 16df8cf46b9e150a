"""How each contender scores: folder -> (query, documents) -> logits. Nothing is imported before it is opened."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder

Score = Callable[[str, Sequence[str]], list[float]]
"""(query, documents) -> logits (yes minus no) in the documents' order."""
Opens = Callable[[Path], Score]

MAX_LENGTH = 8192


def yesrank(**options: str) -> Opens:
    """options: of Reranker."""

    def opens(folder: Path) -> Score:
        from yesrank import Reranker

        reranker = Reranker(folder, **options)

        def score(query: str, documents: Sequence[str]) -> list[float]:
            hits = sorted(reranker.rank(query, documents), key=lambda hit: hit.index)
            return [hit.logit for hit in hits]

        return score

    return opens


def optimum(batch: int | None) -> Opens:
    """The published recipe on OVModelForCausalLM, as OpenArc serves it: left padding, logits of the whole vocabulary.

    batch: documents at a time, sorted by length; None for all at once in the order given, which is OpenArc's way.
    """

    def opens(folder: Path) -> Score:
        import numpy as np
        import torch
        from optimum.intel import OVModelForCausalLM

        model = OVModelForCausalLM.from_pretrained(folder, device="CPU")
        ids_of, answers = prompts_of(folder)

        def score(query: str, documents: Sequence[str]) -> list[float]:
            prompts = ids_of(query, documents)
            out = np.empty(len(prompts))
            for members in _batches(prompts, batch):
                ids, mask = (torch.from_numpy(each) for each in _left_padded([prompts[i] for i in members]))
                yes, no = model(input_ids=ids, attention_mask=mask).logits[:, -1, answers].T
                out[members] = (yes - no).numpy()
            return [float(each) for each in out]

        return score

    return opens


def cross_encoder(batch: int, dtype: str = "bfloat16") -> Opens:
    """CrossEncoder sorts by length itself, and asks transformers for the last token's logits only."""

    def opens(folder: Path) -> Score:
        import torch
        from sentence_transformers import CrossEncoder

        encoder = CrossEncoder(
            str(folder),
            device="cpu",
            model_kwargs={"dtype": getattr(torch, dtype)},
            local_files_only=True,
            activation_fn=torch.nn.Identity(),
        )

        def score(query: str, documents: Sequence[str]) -> list[float]:
            pairs = [(query, text) for text in documents]
            return [float(each) for each in encoder.predict(pairs, batch_size=batch, show_progress_bar=False)]

        return score

    return opens


def transformers_f32(folder: Path) -> Score:
    """The judge: one prompt at a time in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    ids_of, answers = prompts_of(folder)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        logits = []
        for ids in ids_of(query, documents):
            with torch.no_grad():
                last = model(torch.tensor([ids]), logits_to_keep=1).logits[0, -1, answers]
            logits.append(float(last[0] - last[1]))
        return logits

    return score


def prompts_of(folder: Path) -> tuple[Callable[[str, Sequence[str]], list[tuple[int, ...]]], list[int]]:
    """What gives the token ids of a request's prompts, and the ids of yes and no."""
    encoder = PromptEncoder.from_folder(folder)

    def ids_of(query: str, documents: Sequence[str]) -> list[tuple[int, ...]]:
        around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, query)
        return [prompt.ids for prompt in encoder.prompts(around, documents, MAX_LENGTH)]

    return ids_of, [encoder.answer_id("yes"), encoder.answer_id("no")]


def _batches(prompts: Sequence[Sequence[int]], size: int | None) -> list[list[int]]:
    if size is None:
        return [list(range(len(prompts)))]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _left_padded(prompts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    import numpy as np

    width = max(map(len, prompts))
    ids, mask = (np.zeros((len(prompts), width), np.int64) for _ in range(2))
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = prompt
        mask[row, width - len(prompt) :] = 1
    return ids, mask
