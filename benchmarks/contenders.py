"""The programs that are compared: how each is opened, on which folder, in which environment."""

from dataclasses import dataclass

import scorers
import scorers_servers as servers
from environments import OWN


@dataclass(frozen=True)
class Contender:
    """label: for the table. folder: which model it loads (models.KINDS). environment: which it runs in.

    slow: runs on a part of the documents. padded: runs all documents as one batch.
    """

    label: str
    folder: str
    opens: scorers.Opens
    environment: str = OWN
    slow: bool = True
    padded: bool = False


def _ours(label: str, folder: str, **options: str) -> Contender:
    return Contender(f"yesrank {label}", folder, scorers.yesrank(**options), slow=False)


def _torch(label: str, folder: str, opens: scorers.Opens, *, padded: bool = False) -> Contender:
    return Contender(label, folder, opens, "torch", padded=padded)


CONTENDERS = {
    "yesrank-w8a8": _ours("w8a8", "int8", precision="w8a8"),
    "yesrank-int8": _ours("int8", "int8", precision="int8"),
    "yesrank-unpacked": _ours("int8, unpacked to bf16", "int8", precision="bf16"),
    "yesrank-bf16": _ours("bf16", "bf16", precision="bf16"),
    "yesrank-onnx": _ours("ONNX q8", "onnx", engine="onnx", variant="q8"),
    "openarc": _torch(
        "optimum-intel int8, one padded batch (OpenArc)", "int8", scorers.optimum(None), padded=True
    ),
    "optimum-1": _torch("optimum-intel int8, batch 1", "int8", scorers.optimum(1)),
    "optimum-8": _torch("optimum-intel int8, batch 8 sorted", "int8", scorers.optimum(8)),
    "genai": _torch("openvino-genai TextRerankPipeline, int8", "genai", servers.genai),
    "sentence-1": _torch("sentence-transformers bf16, batch 1", "source", scorers.cross_encoder(1)),
    "sentence-4": _torch("sentence-transformers bf16, batch 4 sorted", "source", scorers.cross_encoder(4)),
    "sentence-8": _torch("sentence-transformers bf16, batch 8 sorted", "source", scorers.cross_encoder(8)),
    "vllm": Contender("vLLM on CPU, bf16, prefix caching", "source", servers.vllm, "vllm"),
    "onnxruntime": Contender("onnxruntime on model_quantized.onnx", "onnx-full", servers.plain_onnxruntime),
    "qwen3-embed": Contender("qwen3-embed, q8", "onnx-alone", servers.qwen3_embed, "qwen3-embed"),
}
OURS = tuple(name for name, each in CONTENDERS.items() if each.label.startswith("yesrank"))

JUDGES = {
    "transformers float32": _torch("transformers float32", "source", scorers.transformers_f32),
    "yesrank's reference engine": _ours("reference engine", "source", engine="reference"),
}
"""Who says what the logits are: the first that can run here."""
