"""What an ONNX file says of its kind by the names of its outputs."""

from importlib.util import find_spec
from pathlib import Path

from yesrank.engine.onnx import variants_of
from yesrank.errors import ModelError
from yesrank.kinds import EMBEDDING, RERANKER, Sign

_STATES = {"last_hidden_state", "token_embeddings", "sentence_embedding"}


def sign_of_graph(folder: Path) -> Sign | None:
    """Of the first ONNX file of a folder; None where it has none, says nothing, or onnx is not installed."""
    files = variants_of(folder)
    if not files or find_spec("onnx") is None:
        return None
    from yesrank.engine.onnx.skim import skim

    try:
        outputs = {each.name for each in skim(files[0].path).model.graph.output}
    except ModelError:
        return None  # who opens it will say so
    name = files[0].path.name
    if {"hidden", "logits"} <= outputs:
        return Sign(RERANKER, f"{name} gives two logits")
    if outputs & _STATES and "logits" not in outputs:
        return Sign(EMBEDDING, f"{name} ends at hidden states")
    return None
