"""Collects the nodes and tensors of an ONNX graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from yesrank.convert.onnx.stored import ELEMENTS, Stored, constant
from yesrank.convert.quantize import Array

MICROSOFT = "com.microsoft"
OPSET, MICROSOFT_OPSET, IR_VERSION = 21, 1, 10

Dimension = int | str


class Graph:
    """A graph that grows node by node. Values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, Stored] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.metadata: dict[str, str] = {}
        self._count: dict[str, int] = {}

    def op(
        self, kind: str, *inputs: str, domain: str = "", name: str | None = None, **attributes: Any
    ) -> str:
        """Adds a node with one output, and returns the output's name (`name`, or one made from the kind)."""
        return self.ops(kind, *inputs, outputs=[name or self._unique(kind)], domain=domain, **attributes)[0]

    def ops(
        self, kind: str, *inputs: str, outputs: Sequence[str], domain: str = "", **attributes: Any
    ) -> Sequence[str]:
        """Adds a node with several outputs, "" for one that is not wanted. "" stands for an absent input too."""
        first = next(name for name in outputs if name)
        self.nodes.append(
            helper.make_node(kind, inputs, outputs, name=f"/{first}", domain=domain, **attributes)
        )
        return outputs

    def unique(self, kind: str, count: int) -> list[str]:
        """Names for so many outputs of a node."""
        return [self._unique(kind) for _ in range(count)]

    def add(self, tensor: Stored) -> str:
        """Adds a tensor, which may be added again, and returns its name."""
        self.tensors.setdefault(tensor.name, tensor)
        return tensor.name

    def ints(self, *values: int) -> str:
        """An int64 vector."""
        return self.add(
            constant("ints_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))
        )

    def int(self, value: int) -> str:
        """An int64 scalar."""
        return self.add(constant(f"int_{value}".replace("-", "m"), np.array(value, np.int64)))

    def scalar(self, value: float, dtype: str = "float32") -> str:
        """A scalar of another type."""
        return self.add(constant(f"{dtype}_{value!r}", np.array(value, dtype)))

    def values(self, name: str, values: Array) -> str:
        """A tensor with given values."""
        return self.add(constant(name, values))

    def cast(self, x: str, dtype: str) -> str:
        """x in another type."""
        return self.op("Cast", x, to=ELEMENTS[dtype])

    def input(self, name: str, dtype: str, shape: Sequence[Dimension]) -> str:
        """Declares an input of the model."""
        self.inputs.append(helper.make_tensor_value_info(name, ELEMENTS[dtype], shape))
        return name

    def output(self, name: str, dtype: str, shape: Sequence[Dimension]) -> None:
        """Declares an output of the model."""
        self.outputs.append(helper.make_tensor_value_info(name, ELEMENTS[dtype], shape))

    def model(self, producer_version: str) -> onnx.ModelProto:
        """The whole model, except for its tensors."""
        graph = helper.make_graph(self.nodes, "Qwen3", self.inputs, self.outputs)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, MICROSOFT_OPSET)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="yesrank",
            producer_version=producer_version,
        )
        helper.set_model_props(model, self.metadata)
        return model

    def _unique(self, kind: str) -> str:
        self._count[kind] = self._count.get(kind, 0) + 1
        return f"{kind}_{self._count[kind]}"
