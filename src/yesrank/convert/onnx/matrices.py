"""Stored matrices in a graph: looking up rows of a table, and multiplying with a matrix.

Activations are [R, K], one row a token. A matrix is known by its checkpoint name; its bytes are made when the file is
written.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from yesrank.checkpoint import Checkpoint
from yesrank.convert.onnx.graph import MICROSOFT, Graph
from yesrank.convert.onnx.pack import BLOCK, Packer, blocks
from yesrank.convert.onnx.stored import Stored
from yesrank.convert.onnx.variants import Variant
from yesrank.convert.quantize import Array
from yesrank.convert.weights import refuse_overflow

_MIDDLE = 128  # the zero point of unsigned 8-bit values


def narrowed(name: str, values: Array, dtype: str) -> Array:
    """values as another type. Raises ConversionError where they are too large for it."""
    with np.errstate(over="ignore"):
        result: Array = values.astype(dtype, copy=False)
    if dtype == "float16":
        refuse_overflow(name, result)
    return result


class Matrices:
    """Adds what a variant needs to look up and to multiply."""

    def __init__(self, graph: Graph, checkpoint: Checkpoint, packer: Packer, variant: Variant) -> None:
        self._graph, self._checkpoint, self._packer, self._variant = graph, checkpoint, packer, variant
        self._waiting: dict[str, Array] = {}  # parts packed together with a matrix's values, not yet written
        self._quantised: dict[
            str, tuple[str, ...]
        ] = {}  # activations by name, where several matrices share them
        self.dtype = "float16" if variant.half else "float32"

    def rows(self, name: str, ids: str) -> str:
        """Rows of a table by int64 ids [R]: [R, K]."""
        graph, width = self._graph, self._checkpoint.shape(name)[1]
        kind = self._variant.table
        values = graph.op("Gather", self._table(name), ids, axis=0)
        if kind in ("f32", "f16"):
            return values
        scale = graph.op("Gather", self._scale(name, kind), ids, axis=0)
        scale = graph.op("Unsqueeze", scale, graph.ints(-1))
        values = graph.cast(values, self.dtype)
        if kind == "s8":
            return graph.op("Mul", values, scale)
        middle = graph.scalar(_MIDDLE, self.dtype)
        values = graph.op("Mul", graph.op("Sub", values, middle), scale)
        values = graph.op("Reshape", values, graph.ints(-1, blocks(width) * BLOCK))
        if width % BLOCK == 0:
            return values
        return graph.op("Slice", values, graph.ints(0), graph.ints(width), graph.ints(1))

    def by_table(self, x: str, name: str) -> str:
        """x [R, K] by a table's rows [V, K]: [R, V]. The table is stored once, however often it is used."""
        graph, (rows, width) = self._graph, self._checkpoint.shape(name)
        kind, table = self._variant.table, self._table(name)
        if kind in ("f32", "f16"):
            return graph.op("Gemm", x, table, transB=1)
        if kind == "b8":
            return self._block_matmul(x, [table, self._scale(name, kind)], rows, width, 8)
        table, scale = graph.op("Transpose", table, perm=[1, 0]), self._scale(name, kind)
        return self._integer_matmul(x, table, scale, rows)

    def linear(self, x: str, name: str, factor: float = 1.0) -> str:
        """x [R, K] by a matrix [N, K] of a layer: [R, N]. factor: what the stored weights are multiplied with."""
        graph, (rows, width) = self._graph, self._checkpoint.shape(name)
        kind = self._variant.stored
        if kind == "q4":
            return self._block_matmul(x, self._q4(name, factor), rows, width, 4)
        dtype = {"f32": "float32", "f16": "float16", "s8": "int8"}[kind]
        values = self._values(name, kind, dtype, (width, rows), factor, transposed=True)
        if kind in ("f32", "f16"):
            return graph.op("MatMul", x, values)
        return self._integer_matmul(x, values, self._scale(name, "s8"), rows)

    def _integer_matmul(self, x: str, values: str, scale: str, rows: int) -> str:
        if self._variant.linear == "q8":
            return self._dynamic_matmul(x, values, scale)
        return self._row_wise_matmul(x, values, scale)

    def _dynamic_matmul(self, x: str, values: str, scale: str) -> str:
        """One scale and zero point for all of x, as onnxruntime's quantize_dynamic writes it; onnxruntime fuses it."""
        graph = self._graph
        if x not in self._quantised:
            names = graph.unique("DynamicQuantizeLinear", 3)
            self._quantised[x] = tuple(graph.ops("DynamicQuantizeLinear", x, outputs=names))
        quantised, x_scale, zero_point = self._quantised[x]
        product = graph.op("MatMulInteger", quantised, values, zero_point)
        return graph.op("Mul", graph.cast(product, "float32"), graph.op("Mul", x_scale, scale))

    def _row_wise_matmul(self, x: str, values: str, scale: str) -> str:
        """One scale a row of x: an outlier in one row costs the others nothing."""
        graph = self._graph
        middle = graph.scalar(_MIDDLE, "uint8")
        if x not in self._quantised:
            largest = graph.op("ReduceMax", graph.op("Abs", x), graph.ints(1), keepdims=0)
            largest = graph.op("Max", largest, graph.scalar(1e-30))  # a row of zeros
            x_scale = graph.op("Mul", largest, graph.scalar(1 / 127))
            zero_points = graph.op("Expand", middle, graph.op("Shape", x_scale))
            quantised = graph.op("QuantizeLinear", x, x_scale, zero_points, axis=0)
            self._quantised[x] = (quantised, graph.op("Unsqueeze", x_scale, graph.ints(1)))
        quantised, x_scale = self._quantised[x]
        inputs = (quantised, values, graph.scalar(1.0), scale, middle)
        product = graph.op("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)
        return graph.op("Mul", product, x_scale)

    def _block_matmul(self, x: str, parts: list[str], rows: int, width: int, bits: int) -> str:
        return self._graph.op(
            "MatMulNBits", x, *parts, domain=MICROSOFT, K=width, N=rows, bits=bits, block_size=BLOCK
        )

    def _table(self, name: str) -> str:
        rows, width = self._checkpoint.shape(name)
        kind = self._variant.table
        dtype = {"f32": "float32", "f16": "float16", "s8": "int8", "b8": "uint8"}[kind]
        shape = (rows, blocks(width), BLOCK) if kind == "b8" else (rows, width)
        return self._values(name, kind, dtype, shape)

    def _q4(self, name: str, factor: float) -> list[str]:
        rows, width = self._checkpoint.shape(name)
        count = blocks(width)
        return [
            self._values(name, "q4", "uint8", (rows, count, BLOCK // 2), factor),
            self._scale(name, "q4"),
            self._part(name, "zero_point", "uint8", (rows, (count + 1) // 2)),
        ]

    def _scale(self, name: str, kind: str) -> str:
        rows, width = self._checkpoint.shape(name)
        return self._part(name, "scale", self.dtype, (rows,) if kind == "s8" else (rows, blocks(width)))

    def _values(
        self,
        name: str,
        kind: str,
        dtype: str,
        shape: tuple[int, ...],
        factor: float = 1.0,
        *,
        transposed: bool = False,
    ) -> str:
        """The values of a matrix. The other parts wait until they are read, which must be later."""

        def read() -> Iterator[Array]:
            waiting: dict[str, list[Array]] = {}
            for parts in self._packer.stream(name, kind, factor):
                for part, array in parts.items():
                    if part == "values":
                        yield array
                    else:
                        waiting.setdefault(part, []).append(array)
            for part, arrays in waiting.items():
                self._waiting[f"{name}.{part}"] = np.concatenate(arrays)

        def read_transposed() -> Iterator[Array]:
            whole = np.empty(shape, dtype)
            done = 0
            for rows in read():
                whole[:, done : done + len(rows)] = rows.T
                done += len(rows)
            yield whole

        return self._graph.add(Stored(name, dtype, shape, read_transposed if transposed else read))

    def _part(self, name: str, part: str, dtype: str, shape: tuple[int, ...]) -> str:
        def read() -> Iterable[Array]:
            return (narrowed(name, self._waiting.pop(f"{name}.{part}"), dtype),)

        return self._graph.add(Stored(f"{name}.{part}", dtype, shape, read))
