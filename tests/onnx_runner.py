"""Runs the ONNX files of a folder with plain onnxruntime, padded and with a past."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from yesrank.convert import VARIANTS


class OnnxRunner:
    """One file. ids: prompts of any lengths."""

    def __init__(self, folder: Path, variant: str) -> None:
        path = folder / VARIANTS[variant].file
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.inputs = {value.name: value for value in self.session.get_inputs()}
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(
        self, ids: np.ndarray, mask: np.ndarray | None = None, past: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """All outputs by name. past: the presents of an earlier call."""
        feeds: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids) if mask is None else mask,
        }
        if "position_ids" in self.inputs:
            feeds["position_ids"] = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        for name, value in self.inputs.items():
            if name.startswith("past_key_values"):
                empty = np.zeros((len(ids), value.shape[1], 0, value.shape[3]), self.cache_dtype)
                feeds[name] = empty if past is None else past[name.replace("past_key_values", "present")]
        return dict(zip(self.outputs, self.session.run(None, feeds), strict=True))

    @property
    def cache_dtype(self) -> type[np.floating[Any]]:
        return np.float16 if "float16" in self.inputs["past_key_values.0.key"].type else np.float32

    def last_logits(
        self, ids: Sequence[Sequence[int]], side: str, columns: Sequence[int] | None = None
    ) -> np.ndarray:
        """Logits of each prompt's last token; columns: those of a full head that are wanted."""
        batch, mask = padded(ids, side)
        return self.at_last(self(batch, mask)["logits"], mask, columns)

    @staticmethod
    def at_last(logits: np.ndarray, mask: np.ndarray, columns: Sequence[int] | None) -> np.ndarray:
        if columns is None:
            return logits
        last = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1) - (mask.shape[1] - logits.shape[1])
        return logits[np.arange(len(logits)), last][:, list(columns)]


def padded(ids: Sequence[Sequence[int]], side: str) -> tuple[np.ndarray, np.ndarray]:
    """(ids, mask), both int64 [B, S]."""
    width = max(map(len, ids))
    batch, mask = np.full((len(ids), width), 3, np.int64), np.zeros((len(ids), width), np.int64)
    for row, prompt in enumerate(ids):
        where = slice(width - len(prompt), width) if side == "left" else slice(0, len(prompt))
        batch[row, where], mask[row, where] = prompt, 1
    return batch, mask
