"""What a comparison ran on."""

import platform
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from models import Models
from request import Request, prompts_of

from yesrank.bench.ceiling import measure_ceiling, useful_work
from yesrank.qwen3 import Qwen3Config


def machine_of(request: Request, models: Models) -> dict[str, Any]:
    """What it is, and how fast it multiplies matrices of the model's sizes; work: operations of one document."""
    folder = models.folder("source")
    config = Qwen3Config.from_folder(folder)
    load = psutil.getloadavg()[0]
    ceiling = measure_ceiling(config.hidden_size, config.intermediate_size)
    prompts = prompts_of(request, range(len(request.documents)), folder)
    work = useful_work(config, prompts[0].shared, [len(prompt) for prompt in prompts])
    return {
        "processor": _processor(),
        "features": _features(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "load_before": load,
        "ceiling": asdict(ceiling),
        "work": work / len(prompts),
        "tokens": statistics.mean(len(prompt) for prompt in prompts),
    }


def _features() -> list[str]:
    """Instructions that decide how fast int8 and bf16 are, as Linux names them."""
    try:
        flags = (
            Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
        )
    except OSError:
        return []
    return sorted(
        {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"} & {*flags}
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
