"""A skimmed graph -> the decoder that the engine runs: what goes in, the hidden state that comes out, the head's rows.

Graphs with an output `hidden` are run as they are. In others, which give logits of the whole vocabulary for every
token, the vocabulary matrix is cut off: what is left gives the final norm's output for the last token. They are
changed before onnxruntime sees them, so the matrix is never loaded. Those of embedding models end at hidden states.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from yesrank.engine.base import HeadRows
from yesrank.engine.onnx.cacheless import PAST, PRESENT, give_cache
from yesrank.engine.onnx.skim import Skimmed
from yesrank.engine.onnx.weights import READERS, Weights
from yesrank.errors import ModelError, UnsupportedModel
from yesrank.types import FloatArray

HIDDEN, LOGITS = "hidden", "logits"
IDS, MASK, POSITIONS, KEEP = "input_ids", "attention_mask", "position_ids", "num_logits_to_keep"
_KNOWN = {IDS, MASK, POSITIONS, KEEP}
_STATES = ("last_hidden_state", "token_embeddings", "sentence_embedding")
_LABELS = 2
# between the matrix product and the logits
_AFTER = (
    "Cast",
    "Identity",
    "Mul",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Gather",
    "GatherND",
    "GatherElements",
    "Slice",
)
# between the hidden state and the matrix product, where the product takes integers
_QUANTISING = ("DynamicQuantizeLinear", "QuantizeLinear", "Cast", "Identity", "Div", "Reshape")


@dataclass(frozen=True, slots=True)
class Decoder:
    """model: gives HIDDEN, float32 [1, D], for one row of ids. base: see Skimmed. inputs: names, without the pasts.

    cache: (past, present) names in the order of the layers; empty where the graph keeps none. cache_shape: of one past,
    (KV heads, head size), 0 where the graph does not say; half: whether pasts are float16. head: rows of the output
    embedding; labels: how many these are, where they are answers and no vocabulary (0: no and yes).
    """

    model: onnx.ModelProto
    base: Path
    inputs: tuple[str, ...]
    cache: tuple[tuple[str, str], ...]
    cache_shape: tuple[int, int]
    half: bool
    head: HeadRows
    labels: int = 0

    @property
    def weights_bytes(self) -> int:
        """Of the weights that the graph uses, as stored."""
        return sum(
            prod(each.dims) * helper.tensor_dtype_to_np_dtype(each.data_type).itemsize
            for each in self.model.graph.initializer
        )


def decoder(skimmed: Skimmed, shape: tuple[int, int] = (0, 0)) -> Decoder:
    """Reads inputs and outputs, and cuts the head off where there is a whole one. Raises UnsupportedModel.

    shape: of a past, where one is given to the graph, see cacheless.
    """
    model = skimmed.model
    give_cache(model, shape)
    inputs = {each.name: each for each in model.graph.input}
    outputs = [each.name for each in model.graph.output]
    pasts = [name for name in inputs if name.startswith(PAST)]
    plain = tuple(name for name in inputs if not name.startswith(PAST))
    if IDS not in plain or not {*plain} <= _KNOWN:
        raise UnsupportedModel(
            f"the graph has the inputs {', '.join(plain)}; a decoder has {', '.join(sorted(_KNOWN))}",
            "export it as text-generation-with-past, or: yesrank convert SRC DST --format onnx",
        )
    cache = tuple((name, name.replace(PAST, PRESENT)) for name in pasts)
    if missing := {present for _, present in cache} - {*outputs}:
        raise UnsupportedModel(f"the graph has no output {min(missing)}", "export the model again")
    head, labels = _head(skimmed, outputs)
    keep_outputs(model, [HIDDEN, *(present for _, present in cache)])
    types = [inputs[name].type.tensor_type for name in pasts]
    sizes = [dimension.dim_value for dimension in types[0].shape.dim] if types else [0, 0, 0, 0]
    half = bool(types) and types[0].elem_type == TensorProto.FLOAT16
    return Decoder(model, skimmed.base, plain, cache, (sizes[1], sizes[3]), half, head, labels)


def _head(skimmed: Skimmed, outputs: Sequence[str]) -> tuple[HeadRows, int]:
    """Has the graph give HIDDEN; returns what cut_head returns."""
    states = next((name for name in _STATES if name in outputs), None)
    if LOGITS not in outputs and HIDDEN in outputs:
        return _no_head, 0
    if LOGITS not in outputs and states is not None:
        take_last(skimmed.model.graph, states)
        return _no_head, 0
    return cut_head(skimmed, keep=HIDDEN in outputs)


def take_last(graph: onnx.GraphProto, hidden: str) -> None:
    """Adds HIDDEN, float32 [1, D]: the last row of hidden states [1, S, D] or [S, D]."""
    graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "yesrank.last"))
    # [1, S, D] or [S, D] -> [S, D] -> [1, D]
    flat = helper.make_node("Flatten", [hidden], ["yesrank.rows"], "yesrank.flatten", axis=-1)
    last = helper.make_node("Gather", ["yesrank.rows", "yesrank.last"], ["yesrank.row"], "yesrank.gather")
    wide = helper.make_node("Cast", ["yesrank.row"], [HIDDEN], "yesrank.widen", to=TensorProto.FLOAT)
    graph.node.extend([flat, last, wide])
    graph.output.append(helper.make_tensor_value_info(HIDDEN, TensorProto.FLOAT, ["batch_size", None]))


def cut_head(skimmed: Skimmed, *, keep: bool = False) -> tuple[HeadRows, int]:
    """Replaces the logits by HIDDEN, the last token's row of what goes into the head's matrix, in float32.

    keep: where the graph has that output already. Returns the reader of the matrix's rows, and their number where they
    are answers: two, or one and a row of zeros. Raises UnsupportedModel where the logits come from no such product.
    """
    graph = skimmed.model.graph
    producers = {name: node for node in graph.node for name in node.output if name}
    product = _product(producers)
    weights = Weights({each.name: each for each in graph.initializer}, producers, skimmed.base)
    _refuse_bias(product)
    read = partial(READERS[product.op_type], weights, product)
    count = weights.columns(product)
    if not keep:
        take_last(graph, _before(producers, product.input[0]))
    if count == 1:
        return partial(_with_zeros, read), _LABELS
    return read, _LABELS if count == _LABELS else 0


def _with_zeros(read: HeadRows, ids: Sequence[int]) -> FloatArray:
    """Rows of a head with one label, which stands for yes less no: no is zeros."""
    [only] = read([0])
    return np.stack([only if each else np.zeros_like(only) for each in ids])


def _refuse_bias(product: onnx.NodeProto) -> None:
    if product.op_type == "Gemm" and len(product.input) > 2 and product.input[2]:
        raise UnsupportedModel(
            "the graph's head adds a bias, which a Qwen3 model does not have", "export the model again"
        )


def keep_outputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Removes all other outputs, and the nodes and weights that only those need."""
    graph = model.graph
    kept = [each for each in graph.output if each.name in names]
    del graph.output[:]
    graph.output.extend(kept)
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needed: set[int] = set()
    waiting = [each.name for each in kept]
    used = {*waiting}
    while waiting:
        index = producers.get(waiting.pop())
        if index is None or index in needed:
            continue
        needed.add(index)
        for name in _inputs(graph.node[index]):
            if name not in used:
                used.add(name)
                waiting.append(name)
    nodes = [graph.node[index] for index in sorted(needed)]
    tensors = [each for each in graph.initializer if each.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _no_head(ids: Sequence[int]) -> FloatArray:
    raise ModelError(
        "this graph ends at its hidden states and has no output embedding, as embedding models are exported",
        "take a reranker, such as Qwen/Qwen3-Reranker-0.6B",
    )


def _inputs(node: onnx.NodeProto) -> Iterator[str]:
    """Names of what a node reads, the insides of its branches and loops included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _inputs(inner)


def _product(producers: dict[str, onnx.NodeProto]) -> onnx.NodeProto:
    """The product with the vocabulary matrix, upstream of the logits."""
    waiting = [LOGITS]
    while waiting:
        node = producers.get(waiting.pop())
        if node is None:
            continue
        if node.op_type in READERS:
            return node
        if node.op_type in _AFTER:
            waiting += node.input
    raise UnsupportedModel(
        "the graph has neither an output `hidden`, nor logits that come from a matrix product",
        "export it as text-generation-with-past, or: yesrank convert SRC DST --format onnx",
    )


def _before(producers: dict[str, onnx.NodeProto], name: str) -> str:
    """The hidden state from which the product's first input is quantised or rounded."""
    while (node := producers.get(name)) is not None and node.op_type in _QUANTISING:
        name = node.input[0]
    return name
