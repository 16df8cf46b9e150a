"""One KV cache for all layers, whose blocks either belong to one of them or serve all in turn.

The keys and values of a document that runs whole in one call are read by that call alone, and by one layer at a time:
layer i has no more use for them when layer i + 1 begins. So such a block is written by every layer anew, 128 KB in the
0.6B, where a block that stays, with a place for each layer, takes 3.7 MB.

All layers get the same tensor. They differ in their block tables: a block that stays begins with its place for layer 0,
and layer i reads i places after it.
"""

import re

import openvino as ov
from openvino import Model, Node, Type
from openvino import opset13 as ops

from yesrank.engine.openvino.passes import PAGED
from yesrank.errors import EngineError

BLOCKS = "block_indices"
STEPS = "block_steps"
"""Input beside BLOCKS, of the same length: 1 for a block that has a place for each layer, 0 for one that serves all."""
_CACHE = re.compile(r"key_cache\.(\d+)")


def share_cache(model: Model) -> None:
    """Gives each attention of a paged model its layer's block table. Raises EngineError for one of another kind."""
    blocks = _parameter(model, BLOCKS)
    steps = ops.parameter([-1], Type.i32, name=STEPS)
    steps.output(0).set_names({STEPS})
    model.add_parameters([steps])
    for attention in [node for node in model.get_ops() if node.get_type_name() == PAGED]:
        layer = _layer(attention)
        if layer:
            own = ops.add(blocks, ops.multiply(steps, ops.constant(layer, Type.i32)))
            _table(attention, blocks).replace_source_output(own.output(0))
    model.validate_nodes_and_infer_types()


def _parameter(model: Model, name: str) -> Node:
    found = [node for node in model.get_parameters() if name in node.output(0).get_names()]
    if not found:
        raise EngineError(f"the paged model has no input named {name}")
    return found[0]


def _layer(attention: Node) -> int:
    """Which layer's it is, by the name of its cache."""
    for each in attention.inputs():
        for name in each.get_source_output().get_names():
            if match := _CACHE.fullmatch(name):
                return int(match[1])
    raise EngineError(f"{attention.get_friendly_name()} has no key cache of a layer")


def _table(attention: Node, blocks: Node) -> "ov.Input":
    for each in attention.inputs():
        if each.get_source_output().get_node().get_friendly_name() == blocks.get_friendly_name():
            return each
    raise EngineError(f"{attention.get_friendly_name()} has no block table")
