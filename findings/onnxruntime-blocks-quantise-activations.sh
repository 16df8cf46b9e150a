#!/usr/bin/env bash
# onnxruntime rounds activations to int8 where a graph only says that weights are stored in blocks of 8 bits.
#
# Expected: DequantizeLinear followed by MatMul is float arithmetic on weights that were stored smaller: the result is that of the
# dequantised matrix, up to the order of sums. An optimiser may fuse the two, and computes the same.
# What happens: at the default optimisation level blocks of 8 (or 4) bits become MatMulNBits with accuracy_level 4, in which the
# activations are rounded to int8, block by block. Nobody asked for it and nothing says so: the inputs, the file and the session's
# log are as before. With session.qdq_matmulnbits_accuracy_level = 1 the file is computed as it is written.
# Where it bites: a "weight-only" model's scores drift, and two machines or versions differ by more than rounding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "onnxruntime==1.32.0" "onnx==1.23.2" "numpy==2.3.5"
HOME="$folder" ORT_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

K, N, BLOCK = 256, 128, 32
draw = np.random.default_rng(0)
values = draw.integers(0, 256, (K, N), dtype=np.uint8)
scales = draw.uniform(0.001, 0.002, (K // BLOCK, N)).astype(np.float32)
zeros = np.full((K // BLOCK, N), 128, np.uint8)
nodes = [
    helper.make_node("DequantizeLinear", ["values", "scales", "zeros"], ["weight"], axis=0, block_size=BLOCK),
    helper.make_node("MatMul", ["x", "weight"], ["y"]),
]
parts = [numpy_helper.from_array(array, name) for name, array in (("values", values), ("scales", scales), ("zeros", zeros))]
floats = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
graph = helper.make_graph(nodes, "blocks", [floats("x", ["n", K])], [floats("y", ["n", N])], parts)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
x = draw.standard_normal((16, K), np.float32)
weight = (values.astype(np.float32) - 128) * np.repeat(scales, BLOCK, axis=0)
exact = x @ weight


def error(level=None):
    options = ort.SessionOptions()
    if level is not None:
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", level)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return float(np.abs(session.run(None, {"x": x})[0] - exact).max() / np.abs(exact).std())


default, written = error(), error("1")
print("onnxruntime", ort.__version__, f"largest error of a product, in standard deviations: default {default:.1e}, accuracy level 1 {written:.1e}")
sys.exit(not (default > 1e-3 and written < 1e-5))
PYTHON
