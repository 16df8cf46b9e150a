"""What a sentence-embedding model makes of the pairs and of the vocabulary: the teacher of the second half.

``python -m training.teacher --out WORK --teacher FOLDER`` reads what prepare and tokenizer wrote and adds

- ``teacher.npz``: unit vectors of all documents and of the groups' queries, float16 ``[N, 384]``;
- ``words.npy``: unit vectors of the vocabulary's entries read as text, float16 ``[V, 384]``.

FOLDER is all-MiniLM-L6-v2 (Apache-2.0; Wang et al. 2020, Reimers and Gurevych 2019) or another BERT with mean pooling.
Needs transformers and openvino besides the recipe's packages.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel

from training.tokenizer import Encoder

READ = 112  # word pieces of a text, about what most training inputs hold
CALL = 2048  # word pieces a call, padding included
STREAMS = 2  # calls at the same time; a model this small does not keep two cores busy with one

Vectors = NDArray[np.float16]


class Teacher:
    """Texts to unit vectors: the mean of the last hidden states."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(READ)
        model = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
        example = (torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64))
        config = {"NUM_STREAMS": str(STREAMS), "INFERENCE_NUM_THREADS": str(STREAMS)}
        compiled = ov.Core().compile_model(ov.convert_model(model, example_input=example), "CPU", config)
        self._queue = ov.AsyncInferQueue(compiled, STREAMS)

    def encode(self, texts: list[str]) -> Vectors:
        """float16 ``[N, width]``, in the order of the texts."""
        ids = [item.ids for item in self._tokenizer.encode_batch([text[: READ * 10] for text in texts])]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out: dict[int, Any] = {}
        self._queue.set_callback(
            lambda request, given: out.update(zip(given[0], _pooled(request, given[1]), strict=True))
        )
        while order:
            longest = -(-len(ids[order[-1]]) // 8) * 8
            part = order[-max(1, CALL // longest) :]
            del order[-len(part) :]
            padded = np.array([ids[i] + [0] * (longest - len(ids[i])) for i in part])
            mask = (np.arange(longest) < np.array([len(ids[i]) for i in part])[:, None]).astype(np.int64)
            self._queue.start_async([padded, mask], (part, mask))
        self._queue.wait_all()
        return np.stack([out[i] for i in range(len(ids))])


def _pooled(request: Any, places: list[int], mask: NDArray[np.int64]) -> dict[int, Vectors]:
    mean = (request.get_output_tensor(0).data * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    unit = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float16)
    return dict(zip(places, unit, strict=True))


def words(encoder: Encoder) -> list[str]:
    """The vocabulary's entries as text; empty for control tokens and parts of characters."""
    plain = encoder.plain.get_vocab_size()
    texts = [encoder.plain.decode([token]).strip() for token in range(plain)]
    return ["" if "\ufffd" in text else text for text in texts] + [""] * (encoder.size - plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    args = parser.parse_args()
    teacher, data = Teacher(args.teacher), json.loads((args.out / "groups.json").read_text(encoding="utf-8"))
    np.save(args.out / "words.npy", teacher.encode(words(Encoder(args.out / "tokenizer.json"))))
    vectors = {}
    for name, texts in (("docs", data["docs"]), ("queries", [group["query"] for group in data["groups"]])):
        started, parts = time.monotonic(), []
        for begin in range(0, len(texts), 10_000):
            parts.append(teacher.encode(texts[begin : begin + 10_000]))
            print(
                f"{name}: {begin + len(parts[-1])} of {len(texts)}, {time.monotonic() - started:.0f} s",
                flush=True,
            )
        vectors[name] = np.concatenate(parts)
    np.savez(args.out / "teacher.npz", **vectors)


if __name__ == "__main__":
    main()
