#!/usr/bin/env bash
# Memory grows with every new shape of input, and neither the model's own setting nor its deletion gives it back (OpenVINO, CPU).
#
# Expected: kernels that are compiled for a shape belong to the compiled model. CPU_RUNTIME_CACHE_CAPACITY bounds how many it keeps, and
# with the model they are gone.
# What happens: oneDNN below it keeps 1,024 primitives of its own for the whole process, about a megabyte for each new number of rows in
# this model. With CPU_RUNTIME_CACHE_CAPACITY=1 most of it is still taken, and with the model and the Core deleted, too; no property of
# OpenVINO reaches it. Only the variable ONEDNN_PRIMITIVE_CACHE_CAPACITY does, which is read once, at the first use.
# Where it bites: a server whose requests have any length grows by a hundred megabytes and more, looks like a leak, and does not shrink
# when the model is unloaded to make room for another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this processor has no AVX512-BF16: not tried"; exit 0; }
if grep -qw amx_bf16 /proc/cpuinfo; then echo "this processor has AMX, whose kernels are others: not tried"; exit 0; fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "openvino==2026.4.1" "numpy==2.3.5"
cat > "$folder/grow.py" <<'PYTHON'
import ctypes
import gc
import os
import sys

sys.modules["openvino_telemetry"] = None  # no usage report from this script
import numpy as np
import openvino as ov
from openvino import opset13 as ops

WIDTHS, SHAPES = (256, 288, 320, 352, 256), 40


def resident() -> float:
    ctypes.CDLL(None).malloc_trim(0)  # what the allocator alone holds back does not count
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


core, draw = ov.Core(), np.random.default_rng(0)
source = x = ops.parameter([-1, WIDTHS[0]], ov.Type.f32)
for inner, outer in zip(WIDTHS, WIDTHS[1:]):
    x = ops.tanh(ops.matmul(x, ops.constant(draw.standard_normal((outer, inner), np.float32)), False, True))
options = {"INFERENCE_PRECISION_HINT": "bf16", "CPU_RUNTIME_CACHE_CAPACITY": int(sys.argv[1])}
compiled = core.compile_model(ov.Model([x], [source]), "CPU", options)
compiled([np.ones((300, WIDTHS[0]), np.float32)])
before = resident()
for rows in range(1, SHAPES + 1):
    compiled([np.ones((rows, WIDTHS[0]), np.float32)])
grown = resident() - before
del compiled, x, source, core
gc.collect()
print(f"{grown:.0f} {resident() - before:.0f}")
PYTHON
run() { HOME="$folder" "$folder/venv/bin/python" "$folder/grow.py" "$@"; }
echo "openvino 2026.4.1: MB after 40 numbers of rows, and after the model was deleted"
read -r grown left <<< "$(run 5000)"
echo "the model keeps 5,000 kernels:                       $grown, $left"
read -r grown_one left_one <<< "$(run 1)"
echo "the model keeps one, CPU_RUNTIME_CACHE_CAPACITY=1:   $grown_one, $left_one"
read -r grown_env left_env <<< "$(ONEDNN_PRIMITIVE_CACHE_CAPACITY=1 run 1)"
echo "besides, ONEDNN_PRIMITIVE_CACHE_CAPACITY=1:          $grown_env, $left_env"
((grown_one > 15 && left_one > 15 && left > 15 && grown_env < 5 && left_env < 5))
