#!/usr/bin/env bash
# The same row times the same matrix gives other bits where it comes with fewer than five rows (OpenVINO, CPU, bf16).
#
# Expected: a matrix product computes its rows one by one; what else is in the call may change the speed, not a row's result, or at
# the most where the batch is cut differently with every size.
# What happens: with bf16 arithmetic and int8 weights a row's result is bit-identical in calls of 5 to 512 rows, and another one in
# calls of 1 to 4, for which another kernel runs. The difference is of the last bits of bf16, and grows over a model's layers.
# Where it bites: a score depends on whether a document was sent alone or with others, and answers that were compared for equality
# (caches, tests, two replicas) differ. Filling such calls up with rows that nobody reads makes them equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this processor has no AVX512-BF16: nothing to be seen here"; exit 0; }
if grep -qw amx_bf16 /proc/cpuinfo; then echo "this processor has AMX, whose kernels are others: not tried"; exit 0; fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "openvino==2026.4.1" "numpy==2.3.5"
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

sys.modules["openvino_telemetry"] = None  # no usage report from this script
import numpy as np
import openvino as ov
from openvino import opset13 as ops

K, OUTPUTS = 1024, 256
core, draw = ov.Core(), np.random.default_rng(0)
values = ops.constant(draw.integers(-127, 128, (OUTPUTS, K), dtype=np.int8))
scaled = ops.multiply(ops.convert(values, ov.Type.f16), ops.constant(np.full((OUTPUTS, 1), 0.001, np.float16)))
source = ops.parameter([-1, K], ov.Type.f32)
model = ov.Model([ops.matmul(source, ops.convert(scaled, ov.Type.f32), False, True)], [source])
options = {"INFERENCE_PRECISION_HINT": "bf16", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
compiled = core.compile_model(model, "CPU", options)
x = draw.standard_normal((512, K), np.float32)
whole = compiled([x])[0][0].copy()
print("openvino", ov.get_version(), f"row 0 of a product with a [{OUTPUTS}, {K}] int8 matrix, by the number of rows in the call")
found = {}
for rows in (1, 2, 3, 4, 5, 6, 7, 8, 16, 33, 100, 511):
    row = compiled([x[:rows]])[0][0]
    found[rows] = np.array_equal(row, whole)
    print(f"{rows:>5} rows: " + ("as with 512" if found[rows] else f"other bits, up to {abs(row - whole).max() / abs(whole).max():.1e} of the largest"))
sys.exit({rows for rows, equal in found.items() if not equal} != {1, 2, 3, 4})
PYTHON
