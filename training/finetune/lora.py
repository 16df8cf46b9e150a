"""Low-rank adapters (Hu et al. 2021) on every matrix of the layers, by peft; embedding and head are left alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_NAME = "default"
_SCALE = 2  # alpha / rank


def insert(model: nn.Module, rank: int) -> None:
    """Puts adapters that change nothing yet into the model; only they are trained, in float32."""
    config = LoraConfig(r=rank, lora_alpha=_SCALE * rank, lora_dropout=0.0, target_modules=list(MATRICES))
    inject_adapter_in_model(config, model, _NAME)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if "lora_" in name:
            parameter.data = parameter.data.float()


def present(model: nn.Module) -> bool:
    """Whether the model has adapters."""
    return any(isinstance(module, LoraLayer) for module in model.modules())


def merged(model: nn.Module) -> dict[str, Callable[[], Tensor]]:
    """Name in a checkpoint -> what computes the float32 value of an adapted matrix, adapter included."""
    return {
        f"{name}.weight": partial(_merge, module)
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


@torch.no_grad()
def _merge(module: LoraLayer) -> Tensor:
    """The sum in float32: it is rounded once, by whoever stores it."""
    base: Tensor = module.get_base_layer().weight
    return base.float() + module.get_delta_weight(_NAME).float()
