"""What an ONNX file is, without loading its weights: for a person to read."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from yesrank.engine.onnx.files import OnnxFile
from yesrank.engine.onnx.graph import HIDDEN, LOGITS
from yesrank.engine.onnx.skim import is_external, place_of, skim

# the operators that say how a file computes, the rest being moves and shapes
_TELLING = (
    "GroupQueryAttention",
    "MultiHeadAttention",
    "Attention",
    "MatMul",
    "Gemm",
    "MatMulNBits",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "GatherBlockQuantized",
)


@dataclass(frozen=True, slots=True)
class Description:
    """One variant. opsets: by domain.

    head: "yesno" (with `hidden`), "seq-cls" (one logit), "full" (vocabulary) or "states" (all hidden states).

    operators: number of nodes by kind, the most frequent first. inputs, outputs: name -> type and shape; those of the
    cache are shown for its first layer. data: names of its external data files.
    """

    variant: str
    file: str
    bytes: int
    head: str
    ir_version: int
    opsets: Mapping[str, int]
    layers_cached: int
    operators: Mapping[str, int]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    data: tuple[str, ...]

    @property
    def arithmetic(self) -> str:
        """The operators that say how it computes, such as "4 GroupQueryAttention, 28 MatMulNBits"."""
        return ", ".join(f"{self.operators[name]} {name}" for name in _TELLING if name in self.operators)


def describe(file: OnnxFile) -> Description:
    """Reads the graph. Raises ModelError where it is cut short or lacks its data."""
    skimmed = skim(file.path)
    graph = skimmed.model.graph
    places = {place_of(tensor).location for tensor in graph.initializer if is_external(tensor)}
    here = file.path.resolve().relative_to(skimmed.base).as_posix()
    outputs = _ports(graph.output)
    return Description(
        variant=file.variant,
        file=f"{file.path.parent.name}/{file.path.name}",
        bytes=file.bytes,
        head=_head(outputs),
        ir_version=skimmed.model.ir_version,
        opsets={each.domain or "ai.onnx": each.version for each in skimmed.model.opset_import},
        layers_cached=sum(each.name.startswith("past_key_values.") for each in graph.input) // 2,
        operators=dict(Counter(node.op_type for node in graph.node).most_common()),
        inputs=_ports(graph.input),
        outputs=outputs,
        data=tuple(sorted(places - {here})),
    )


def _head(outputs: Mapping[str, str]) -> str:
    if outputs.get("logits", "").endswith(", 1]"):
        return "seq-cls"
    return "yesno" if HIDDEN in outputs else "full" if LOGITS in outputs else "states"


def _ports(ports: Iterable[onnx.ValueInfoProto]) -> dict[str, str]:
    return {
        port.name: _type(port.type.tensor_type)
        for port in ports
        if "." not in port.name or port.name.split(".")[1] == "0"
    }


def _type(tensor: onnx.TypeProto.Tensor) -> str:
    """Such as int64 [batch_size, sequence_length]."""
    sizes = (each.dim_param or str(each.dim_value or "?") for each in tensor.shape.dim)
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} [{', '.join(sizes)}]"
