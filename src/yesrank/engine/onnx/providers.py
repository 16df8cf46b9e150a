"""Devices by name -> onnxruntime's execution providers, and a session on one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from yesrank.engine.cpus import threads
from yesrank.errors import DeviceMissing, ModelError

# device -> (execution provider, package that brings it)
_PROVIDERS: Mapping[str, tuple[str, str]] = {
    "CPU": ("CPUExecutionProvider", "onnxruntime"),
    "CUDA": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "TENSORRT": ("TensorrtExecutionProvider", "onnxruntime-gpu"),
    "COREML": ("CoreMLExecutionProvider", "onnxruntime, on macOS"),
    "DML": ("DmlExecutionProvider", "onnxruntime-directml, on Windows"),
    "MIGRAPHX": ("MIGraphXExecutionProvider", "onnxruntime-migraphx"),
    "OPENVINO": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "QNN": ("QNNExecutionProvider", "onnxruntime-qnn"),
    "WEBGPU": ("WebGpuExecutionProvider", "onnxruntime-webgpu"),
}
_CPU = "CPUExecutionProvider"
_QUIET = 3  # errors only


class _Session(ort.InferenceSession):  # type: ignore[misc]
    """Keeps the arrays alive that it reads."""

    def __init__(
        self,
        model: bytes,
        options: ort.SessionOptions,
        providers: Sequence[tuple[str, dict[str, str]]],
        own: Mapping[str, np.ndarray],
    ) -> None:
        self._own = own
        super().__init__(model, options, providers=providers)


def open_session(
    model: onnx.ModelProto, base: Path, device: str, own: Mapping[str, np.ndarray]
) -> ort.InferenceSession:
    """A session over a graph whose weights lie in files named from `base`. device: such as CPU, CUDA or CUDA:1.

    own: tensors by name that are in memory; onnxruntime maps the others from their files. Raises EngineError for a
    device that is unknown or absent, ModelError for a graph that it cannot run.
    """
    providers = [provider_of(device)]
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads()
    options.enable_mem_pattern = False  # one pattern would be kept for each length of a prompt
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # left to itself it rounds activations to int8 where a file says only that weights are stored in blocks
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(base))
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in own.values()]
    options.add_external_initializers([*own], values)
    try:
        session = _Session(model.SerializeToString(), options, providers, own)
    except Exception as error:  # onnxruntime's errors have no common base below it
        raise ModelError(
            f"onnxruntime {ort.__version__} cannot run this variant on {device}: {_first_line(error)}",
            "take another variant or --device CPU, convert the model again, or upgrade onnxruntime",
        ) from error
    if session.get_providers()[0] != providers[0][0]:
        raise DeviceMissing(
            device,
            f"device {device} could not be started: onnxruntime fell back to {session.get_providers()[0]}",
            "look at its driver and libraries, or use --device CPU",
        )
    return session


def devices() -> tuple[str, ...]:
    """Devices of this onnxruntime; whether the hardware is there shows when a session is opened."""
    here = ort.get_available_providers()
    return tuple(device for device, (provider, _) in _PROVIDERS.items() if provider in here)


def provider_of(device: str) -> tuple[str, dict[str, str]]:
    """The provider of a device, with its options. Raises DeviceMissing."""
    name, _, number = device.partition(":")
    if name not in _PROVIDERS or (number and not number.isdecimal()):
        raise DeviceMissing(
            device,
            f"device {device} is not one of onnxruntime's",
            f"use one of: {', '.join(_PROVIDERS)}; a second GPU is CUDA:1",
        )
    provider, package = _PROVIDERS[name]
    if provider not in ort.get_available_providers():
        raise DeviceMissing(
            device,
            f"device {device} is not in this onnxruntime, which has: {', '.join(devices())}",
            f"install the package with it (in place of onnxruntime): pip install {package}",
        )
    return provider, {"device_id": number} if number else {}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
