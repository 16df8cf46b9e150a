"""`yesrank doctor`: what this machine offers, and whether the installation works."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from yesrank.cli import output
from yesrank.cli.options import JsonOption

_PACKAGES = (
    "yesrank",
    "openvino",
    "openvino-tokenizers",
    "onnxruntime",
    "tokenizers",
    "safetensors",
    "numpy",
)
_FLAGS = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2")
_QUESTION = "What is the capital of France?"
_DOCUMENTS = (
    "Bananas are yellow when they are ripe.",
    "The capital of France is Paris.",
    "Rain is expected.",
)
_LITTLE_MEMORY, _LITTLE_DISK = 4e9, 5e9


def doctor(as_json: JsonOption = False) -> None:
    """Show versions, devices, instruction sets, memory and disk, and try the built-in model."""
    found: dict[str, Any] = {
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": _devices(),
        "onnx_devices": _onnx_devices(),
        "instruction_sets": _instruction_sets(),
        **_room(),
        "self_test": _self_test(),
    }
    found["advice"] = _advice(found)
    if as_json:
        output.show_json(found)
    else:
        _show(found)
    if found["self_test"] != "ok":
        raise typer.Exit(1)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> dict[str, dict[str, Any]]:
    """Name, and what it is good at, of every device that OpenVINO sees; empty where it is not installed."""
    from yesrank.engine.openvino import is_installed

    if not is_installed():
        return {}
    import openvino as ov

    core = ov.Core()
    return {
        device: {
            "name": str(core.get_property(device, "FULL_DEVICE_NAME")).strip(),
            "capabilities": list(core.get_property(device, "OPTIMIZATION_CAPABILITIES")),
        }
        for device in core.available_devices
    }


def _onnx_devices() -> list[str]:
    """Devices for ONNX files, as --device takes them; empty where onnxruntime is not installed."""
    from yesrank.errors import MissingExtra

    try:
        from yesrank.engine.onnx import devices

        return list(devices())
    except MissingExtra:
        return []


def _instruction_sets() -> list[str]:
    """Those that matter here, from the kernel's list; empty where there is none to read."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return [flag for flag in _FLAGS if flag in flags]


def _room() -> dict[str, int]:
    """Cores, memory and free disk (of the current folder), in bytes."""
    import psutil

    memory = psutil.virtual_memory()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": usable or 1,
        "memory_total": memory.total,
        "memory_available": memory.available,
        "disk_free": shutil.disk_usage(Path.cwd()).free,
    }


def _self_test() -> str:
    """ "ok", or what went wrong when the built-in model ranked the built-in questions."""
    from yesrank.errors import YesrankError
    from yesrank.models.reranker import Reranker

    try:
        with Reranker() as reranker:
            ranking = reranker.rank(_QUESTION, _DOCUMENTS)
    except YesrankError as error:
        return str(error.message)
    if ranking[0].index != 1:
        return "the built-in model ranks its test question wrongly"
    return "ok"


def _advice(found: dict[str, Any]) -> list[str]:
    advice = []
    sets = found["instruction_sets"]
    if sys.platform == "linux" and "amx_int8" not in sets:
        faster = "VNNI" if {"avx512_vnni", "avx_vnni"} & set(sets) else "AVX2"
        advice.append(
            f"no AMX: this processor runs the {faster} kernels; int8 weights are the fastest choice"
        )
    if not found["devices"]:
        advice.append("openvino is not installed: models run on onnxruntime, from ONNX files")
    if found["memory_available"] < _LITTLE_MEMORY:
        advice.append(
            "less than 4 GB of memory is free: the 0.6B model fits with int8 weights, the 4B does not"
        )
    if found["disk_free"] < _LITTLE_DISK:
        advice.append("less than 5 GB of disk is free here: converting a 4B model needs more")
    if found["self_test"] != "ok":
        advice.append("the built-in model fails: install again with pip install --force-reinstall yesrank")
    return advice


def _show(found: dict[str, Any]) -> None:
    rows = {"python": found["python"]}
    rows |= {name: number or "not installed" for name, number in found["packages"].items()}
    rows |= {
        f"device {device}": f"{facts['name']} ({', '.join(facts['capabilities'])})"
        for device, facts in found["devices"].items()
    }
    rows["devices for ONNX"] = ", ".join(found["onnx_devices"]) or "none: pip install 'yesrank[onnx]'"
    rows["instruction sets"] = ", ".join(found["instruction_sets"]) or "unknown"
    rows["cores"] = str(found["cores"])
    rows["memory"] = (
        f"{output.size(found['memory_available'])} of {output.size(found['memory_total'])} available"
    )
    rows["disk"] = f"{output.size(found['disk_free'])} free in the current folder"
    rows["built-in model"] = found["self_test"]
    output.show(output.facts(rows))
    for line in found["advice"]:
        output.show(f"- {line}")
