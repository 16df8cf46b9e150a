"""What a session does to a graph: it computes what is written."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from yesrank.engine.onnx.providers import open_session

K, N, BLOCK = 64, 32, 32


def test_weights_in_blocks_do_not_round_activations(tmp_path: Path) -> None:
    """DequantizeLinear and MatMul: float arithmetic over stored integers, whatever a runtime makes of the two."""
    draw = np.random.default_rng(0)
    values = draw.integers(0, 256, (K, N), dtype=np.uint8)
    scales = draw.uniform(0.001, 0.002, (K // BLOCK, N)).astype(np.float32)
    zeros = np.full((K // BLOCK, N), 128, np.uint8)
    x = draw.standard_normal((16, K), np.float32)
    session = open_session(blocks(values, scales, zeros), tmp_path, "CPU", {})
    [found] = session.run(None, {"x": x})
    expected = x @ ((values.astype(np.float32) - 128) * np.repeat(scales, BLOCK, axis=0))
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def blocks(values: np.ndarray, scales: np.ndarray, zeros: np.ndarray) -> onnx.ModelProto:
    parts = {"values": values, "scales": scales, "zeros": zeros}
    nodes = [
        helper.make_node("DequantizeLinear", [*parts], ["weight"], axis=0, block_size=BLOCK),
        helper.make_node("MatMul", ["x", "weight"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("x", K), ("y", N))
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in parts.items()]
    graph = helper.make_graph(nodes, "blocks", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
