"""What there is to compute on, and in which arithmetic."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import psutil
import torch

from yesrank.errors import InputError


@dataclass(frozen=True, slots=True)
class Hardware:
    """bf16: matrix products in bfloat16; the residual stream, norms and head are float32 in any case."""

    device: torch.device
    bf16: bool

    @property
    def frozen_dtype(self) -> torch.dtype:
        """How weights that are not trained are held."""
        return torch.bfloat16 if self.bf16 else torch.float32

    def autocast(self) -> AbstractContextManager[None]:
        """Around every forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def peak_bytes(self) -> int:
        """The most memory in use so far: of the GPU where there is one, else of this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if sys.platform == "win32":
            return int(psutil.Process().memory_info().peak_wset)
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def __str__(self) -> str:
        return f"{self.device.type}, {'bf16' if self.bf16 else 'f32'}"


def choose(device: str = "auto", precision: str = "auto") -> Hardware:
    """The fastest device that is there, and bfloat16 where its hardware has it. Raises InputError."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(each for each in there if there[each]) if device == "auto" else device
    if not there[name]:
        raise InputError(
            "device", f"PyTorch finds no {name} here", "use --device auto, or another build of torch"
        )
    return Hardware(torch.device(name), _has_bf16(name) if precision == "auto" else precision == "bf16")


def _has_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "mps":
        return False  # not tested there; --precision bf16 asks for it
    find = getattr(torch.cpu, "get_capabilities", dict)
    has = find()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))
