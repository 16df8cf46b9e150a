"""Decoders that were exported without a cache, as embedding models are: ids and a mask in, all hidden states out.

With a cache that is put into the graph they run as the others do: ragged batches, a prefix computed once, long texts
in slices. What is relied on is the shape of the graph: RoPE turns by a product of frequencies and positions, and the
keys and values of an attention are repeated for its heads by Unsqueeze, Broadcast and Reshape, where they are.
"""

import numpy as np
import openvino as ov
from openvino import Input, Model, Node, Output, Type
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo

from yesrank.engine.openvino.passes import STATEFUL
from yesrank.errors import EngineError

INPUTS = frozenset({"input_ids", "attention_mask"})
"""What such a graph takes; some take position_ids besides."""
_POSITIONS = "position_ids"


def has_cache(model: Model) -> bool:
    """Whether keys and values stay in the graph from call to call."""
    return bool(model.get_sinks())


def give_cache(model: Model) -> None:
    """Adds state for the keys and values of each attention, beam_idx, and position_ids where it takes none.

    The mask stays one for a first call: this is for the paged transformation, which drops it. Raises EngineError for a
    graph of another shape.
    """
    attentions = [node for node in model.get_ordered_ops() if node.get_type_name() == STATEFUL]
    if not attentions:
        raise EngineError("the graph has no attention that this engine knows")
    _take_positions(model)
    beams = _parameter(model, "beam_idx", [-1], Type.i32)
    for layer, attention in enumerate(attentions):
        for part, which in (("key", 1), ("value", 2)):
            _remember(model, beams, attention.input(which), f"past_key_values.{layer}.{part}")
    model.validate_nodes_and_infer_types()


def _remember(model: Model, beams: Node, port: Input, name: str) -> None:
    """Past and new keys or values in place of the new ones [B, kv_heads, L, head_dim]."""
    target = _before_repeating(port)
    new = target.get_source_output()
    shape = new.get_partial_shape()
    if shape.rank.get_length() != 4 or shape[1].is_dynamic or shape[3].is_dynamic:
        raise EngineError(f"keys or values of the shape {shape} are not those of a decoder")
    info = VariableInfo()
    info.variable_id = f"{name}{name.replace('past_key_values', 'present')}"
    info.data_type = Type.f32
    info.data_shape = ov.PartialShape([-1, shape[1].get_length(), -1, shape[3].get_length()])
    state = Variable(info)
    batch = ops.gather(ops.shape_of(new), _ints(0), _int(0))
    empty = ops.concat([batch, _ints(shape[1].get_length(), 0, shape[3].get_length())], axis=0)
    past = ops.read_value(ops.broadcast(ops.constant(np.float32(0)), empty), state)
    whole = ops.concat([ops.gather(past, beams, _int(0)).output(0), new], axis=-2)
    target.replace_source_output(whole.output(0))
    model.add_variables([state])
    model.add_sinks([ops.assign(whole, state)])


def _before_repeating(port: Input) -> Input:
    """The port that takes keys or values of the groups, before they are repeated for the heads."""
    while _repeats(port.get_source_output().get_node()):
        port = port.get_source_output().get_node().input(0)
    return port


def _repeats(node: Node) -> bool:
    kind = node.get_type_name()
    if kind == "Reshape":
        return bool(node.input_value(0).get_node().get_type_name() == "Broadcast")
    return kind in ("Broadcast", "Unsqueeze")


def _take_positions(model: Model) -> None:
    """Makes the positions of RoPE an input, where they are counted in the graph."""
    if any(_POSITIONS in each.get_names() for each in model.inputs):
        return
    turns = next((node for node in model.get_ordered_ops() if node.get_type_name() == "Cos"), None)
    while turns is not None and turns.get_type_name() != "MatMul":
        turns = turns.input_value(0).get_node() if turns.get_input_size() else None
    if turns is None:
        raise EngineError("the graph has no position embeddings that this engine knows")
    floats = turns.input_value(1).get_node()
    counted: Output | None = floats.input_value(0) if floats.get_type_name() == "Convert" else None
    if counted is None or counted.get_partial_shape().rank.get_length() != 3:
        raise EngineError("the graph counts positions in a way that this engine does not know")
    given = _parameter(model, _POSITIONS, [-1, -1], Type.i64)
    floats.input(0).replace_source_output(ops.unsqueeze(given, _int(1)).output(0))


def _parameter(model: Model, name: str, shape: list[int], kind: Type) -> Node:
    node = ops.parameter(shape, kind, name)
    node.set_friendly_name(name)  # the paged-attention transformation looks parameters up by this name
    node.output(0).set_names({name})
    model.add_parameters([node])
    return node


def _int(value: int) -> Node:
    return ops.constant(np.array(value, np.int64))


def _ints(*values: int) -> Node:
    return ops.constant(np.array(values, np.int64))
