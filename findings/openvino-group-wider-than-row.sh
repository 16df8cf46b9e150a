#!/usr/bin/env bash
# DYNAMIC_QUANTIZATION_GROUP_SIZE: a group wider than a matrix' rows turns the quantisation of activations off, without a word.
#
# Expected: the larger the group, the coarser the scales; a group of the whole row or more means one scale a row, as "per token"
# means elsewhere. At the least, a value that cannot be used is refused or put right.
# What happens: on a CPU with AVX512-VNNI every multiple of 16 up to the row's length K quantises. From K + 16 on nothing is
# quantised: results are bit-identical to a group of 0. So are they for 8, and for 24, 40 or 100. get_property gives back what was
# asked in all cases, and so it does where the processor quantises nothing.
# Where it bites: a model's matrices have several K. 1024 is fastest where K = 1024, 2048 and 3072, and makes a smaller model
# silently as slow as before; "a very large group for one scale a token" does so everywhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_vnni /proc/cpuinfo || { echo "this processor has no AVX512-VNNI: nothing to be seen here"; exit 0; }
if grep -qw amx_int8 /proc/cpuinfo; then echo "this processor has AMX, where the property does nothing"; exit 0; fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "openvino==2026.4.1" "numpy==2.3.5"
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

sys.modules["openvino_telemetry"] = None  # no usage report from this script
import numpy as np
import openvino as ov
from openvino import opset13 as ops

K, ROWS, OUTPUTS = 256, 64, 64
KEY = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
core, draw = ov.Core(), np.random.default_rng(0)
values = ops.constant(draw.integers(0, 256, (OUTPUTS, K), dtype=np.uint8))
centred = ops.subtract(ops.convert(values, ov.Type.f16), ops.convert(ops.constant(np.full((OUTPUTS, 1), 128, np.uint8)), ov.Type.f16))
weight = ops.convert(ops.multiply(centred, ops.constant(np.full((OUTPUTS, 1), 0.001, np.float16))), ov.Type.f32)
source = ops.parameter([-1, K], ov.Type.f32)
model = ov.Model([ops.matmul(source, weight, False, True)], [source])
x = draw.standard_normal((ROWS, K), np.float32)


def product(group):
    compiled = core.compile_model(model, "CPU", {KEY: group, "INFERENCE_PRECISION_HINT": "f32"})
    return compiled([x])[0].copy(), compiled.get_property(KEY)


plain, _ = product(0)
print("openvino", ov.get_version(), f"a product of {ROWS} x {K} activations with int8 weights, group size by group size")
found = {}
for group in (8, 16, 24, 32, 48, 64, 100, 128, 256, 272, 512, 4096, 2**31):
    result, echoed = product(group)
    found[group] = not np.array_equal(result, plain)
    print(f"{group:>12} echoed {echoed:>12} {'quantised' if found[group] else 'bit-identical to 0'}")
acts = {group for group, acted in found.items() if acted}
sys.exit(acts != {16, 32, 48, 64, 128, 256})
PYTHON
