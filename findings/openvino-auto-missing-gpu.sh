#!/usr/bin/env bash
# AUTO:GPU,CPU of OpenVINO does not fall back to the CPU on a machine without OpenCL.
#
# Expected: the list after AUTO is a list of candidates, from which what is not there is left out. So AUTO:GPU,CPU on a machine
# without a GPU runs on the CPU, as plain AUTO does there, and as AUTO:FOO,CPU does with a device that nobody has heard of.
# What happens: where libOpenCL.so.1 is not installed (most Linux servers and containers), compile_model raises
# "Cannot load library libopenvino_intel_gpu_plugin.so", though the CPU is in the list and available_devices has no GPU.
# Where it bites: one configuration for machines with and without a GPU, AUTO:GPU,CPU being just what is written for that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "openvino==2026.4.1" "numpy==2.3.5"
if ldconfig -p | grep -q 'libOpenCL\.so\.1'; then
    echo "this machine has OpenCL: nothing to be seen here"
    exit 0
fi
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import openvino as ov
from openvino import opset13 as ops

core = ov.Core()
print("openvino", ov.get_version(), "devices", core.available_devices)
parameter = ops.parameter([1, 4], ov.Type.f32)
model = ov.Model([ops.relu(parameter)], [parameter], "relu")


def tried(device):
    try:
        return "runs on " + ",".join(core.compile_model(model, device).get_property("EXECUTION_DEVICES"))
    except RuntimeError as error:
        return "raises: " + next((line for line in str(error).splitlines() if "libOpenCL" in line), str(error))[-120:]


found = {device: tried(device) for device in ("AUTO", "AUTO:FOO,CPU", "AUTO:GPU,CPU")}
for device, what in found.items():
    print(f"{device:14}{what}")
expected = found["AUTO"] == found["AUTO:FOO,CPU"] == "runs on CPU" and "libOpenCL" in found["AUTO:GPU,CPU"]
sys.exit(not expected)
PYTHON
