"""Our own files of embedding models keep no cache, as those expect who run them elsewhere. Here they are given one.

With it a long text runs in slices, which bounds its memory, and what stands before all queries is computed once.
"""

import onnx
from onnx import TensorProto, helper

PAST, PRESENT = "past_key_values.", "present."
_KIND = "yesrank.cache"  # written by convert/onnx: the type of keys and values
_ATTENTION = "GroupQueryAttention"


def give_cache(model: onnx.ModelProto, shape: tuple[int, int]) -> None:
    """Adds past and present to each attention of a file of ours that has none; leaves others as they are.

    shape: KV heads and head size of one.
    """
    kind = next((each.value for each in model.metadata_props if each.key == _KIND), None)
    if kind is None:
        return
    graph = model.graph
    dtype = TensorProto.FLOAT16 if kind == "float16" else TensorProto.FLOAT
    for layer, node in enumerate(each for each in graph.node if each.op_type == _ATTENTION):
        for part, place in (("key", 1), ("value", 2)):
            past, present = f"{PAST}{layer}.{part}", f"{PRESENT}{layer}.{part}"
            node.input[place + 2], node.output[place] = past, present
            for ports, name in ((graph.input, past), (graph.output, present)):
                dimensions: list[str | int] = [
                    "batch_size",
                    shape[0],
                    f"{name.partition('.')[0]}_length",
                    shape[1],
                ]
                ports.append(helper.make_tensor_value_info(name, dtype, dimensions))
    [mask] = [each for each in graph.input if each.name == "attention_mask"]
    mask.type.tensor_type.shape.dim[1].dim_param = "total_sequence_length"
