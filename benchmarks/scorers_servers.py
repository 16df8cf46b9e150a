"""More ways to score: programs that bring an engine or a pipeline of their own. See scorers.py."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scorers import MAX_LENGTH, Score, prompts_of

from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES

_QWEN3_EMBED = "n24q02m/Qwen3-Reranker-0.6B-ONNX-YesNo"  # the name of its registry that reads such a file
_CARD = TEMPLATES["card"]


def vllm(folder: Path) -> Score:
    """The published overrides, which make a classifier of the two rows; bf16, prefixes cached, one row of the head."""
    os.environ.setdefault(
        "VLLM_CPU_KVCACHE_SPACE", "2"
    )  # GB: room for a request; half of the machine's without it
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    from vllm import LLM, PoolingParams

    model = LLM(
        model=str(folder),
        runner="pooling",
        dtype="bfloat16",
        max_model_len=MAX_LENGTH,
        enable_prefix_caching=True,
        hf_overrides={
            "architectures": ["Qwen3ForSequenceClassification"],
            "classifier_from_token": ["no", "yes"],
            "is_original_qwen3_reranker": True,
        },
    )
    ids_of, _ = prompts_of(folder)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        prompts = [{"prompt_token_ids": list(ids)} for ids in ids_of(query, documents)]
        found = model.classify(prompts, pooling_params=PoolingParams(use_activation=False), use_tqdm=False)
        return [float(each.outputs.probs[0]) for each in found]

    return score


def genai(folder: Path) -> Score:
    """TextRerankPipeline finds yes and no by itself; the caller writes the prompt, and asks for left padding."""
    import openvino_genai

    config = {"padding_side": "left", "top_n": 1 << 20}
    pipeline = openvino_genai.TextRerankPipeline(str(folder), "CPU", **config)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        head = f"{_CARD.prefix}<Instruct>: {DEFAULT_INSTRUCTION}\n<Query>: {query}\n"
        hits = pipeline.rerank(head, [f"<Document>: {text}{_CARD.suffix}" for text in documents])
        return [_logit(probability) for _, probability in sorted(hits)]

    return score


def plain_onnxruntime(folder: Path) -> Score:
    """The recipe of the published ONNX files: one prompt at a time, an empty cache, logits of the whole vocabulary."""
    import numpy as np
    import onnxruntime as ort

    session = ort.InferenceSession(
        folder / "onnx" / "model_quantized.onnx", providers=["CPUExecutionProvider"]
    )
    empty = {each.name: _empty(each) for each in session.get_inputs() if each.name.startswith("past_")}
    ids_of, (yes, no) = prompts_of(folder)

    def score(query: str, documents: Sequence[str]) -> list[float]:
        logits = []
        for prompt in ids_of(query, documents):
            ids = np.array([prompt], np.int64)
            positions = np.arange(len(prompt), dtype=np.int64)[None]
            fed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": positions}
            [found] = session.run(["logits"], fed | empty)
            logits.append(float(found[0, -1, yes] - found[0, -1, no]))
        return logits

    return score


def qwen3_embed(folder: Path) -> Score:
    """Its reader of a file with two logits; it scores one prompt at a time, and writes the prompt itself."""
    from qwen3_embed import TextCrossEncoder

    encoder = TextCrossEncoder(_QWEN3_EMBED, specific_model_path=str(folder))

    def score(query: str, documents: Sequence[str]) -> list[float]:
        found = encoder.rerank(query, documents, instruction=DEFAULT_INSTRUCTION)
        return [_logit(probability) for probability in found]

    return score


def _empty(port: Any) -> Any:
    """A cache of no tokens: [1, heads, 0, size]."""
    import numpy as np

    return np.zeros((1, port.shape[1], 0, port.shape[3]), np.float32)


def _logit(probability: float) -> float:
    return (
        math.log(probability / (1 - probability))
        if 0 < probability < 1
        else math.copysign(math.inf, probability)
    )
