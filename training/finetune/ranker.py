"""The model in training: a Qwen3 decoder of transformers, and two rows of its output embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from training.finetune import attention, lora
from training.finetune.hardware import Hardware
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt

LARGE = 100_000_000
"""Parameters from which activations are computed twice rather than kept."""
_AT_ONCE = 16  # prompts scored in one pass


class Ranker:
    """yes logit minus no logit of whole groups. No logits of the vocabulary are computed."""

    def __init__(
        self, folder: Path, hardware: Hardware, *, rank: int | None = None, frozen: bool = False
    ) -> None:
        """folder: a Qwen3 checkpoint that yesrank.checkpoint.Checkpoint accepts.

        rank: of a LoRA adapter on every matrix of the layers; None trains all weights. frozen: for scoring only.
        """
        encoder = PromptEncoder.from_folder(folder)
        self.answers = (encoder.answer_id("yes"), encoder.answer_id("no"))
        self.hardware = hardware
        held = hardware.frozen_dtype if rank or frozen else torch.float32
        transformers_logging.disable_progress_bar()
        self.model = Qwen3ForCausalLM.from_pretrained(
            folder, dtype=held, attn_implementation=attention.register(), local_files_only=True
        ).to(hardware.device)
        self.model.requires_grad_(not (rank or frozen))
        if rank and not frozen:
            lora.insert(self.model, rank)
        if not frozen and self.size > LARGE:
            self.compute_twice()
        self.model.train(not frozen)

    def compute_twice(self) -> None:
        """Keeps a layer's input only, and computes the rest again for its gradients."""
        # transformers 5 has another name for it, and warns of the old one
        old = self.model.gradient_checkpointing_enable
        enable = getattr(self.model, "activation_checkpointing_enable", old)
        enable({"use_reentrant": False})

    @property
    def size(self) -> int:
        """Number of parameters, those of an adapter included."""
        return sum(each.numel() for each in self.model.parameters())

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that are trained, by name; a tied head appears once, as the embedding."""
        return {name: each for name, each in self.model.named_parameters() if each.requires_grad}

    def logits(self, group: Sequence[Prompt]) -> Tensor:
        """float32 [N], for prompts that share their first ``shared`` ids."""
        shared = group[0].shared
        parts = [group[0].ids[:shared], *(prompt.ids[shared:] for prompt in group)]
        lengths = [len(part) for part in parts[1:]]
        places = [*range(shared), *(shared + at for length in lengths for at in range(length))]
        device = self.hardware.device
        ids = torch.tensor([[each for part in parts for each in part]], device=device)
        with self.hardware.autocast():
            hidden = self.model.model(
                inputs_embeds=self.model.model.embed_tokens(ids).float(),
                attention_mask={"full_attention": None},
                position_ids=torch.tensor([places], device=device),
                use_cache=False,
                shared=shared,
                lengths=lengths,
            ).last_hidden_state[0]
        last = torch.tensor(lengths, device=device).cumsum(0) + (shared - 1)
        rows = self.model.lm_head.weight[list(self.answers)].float()
        return hidden[last].float() @ (rows[0] - rows[1])

    @torch.no_grad()
    def score(self, group: Sequence[Prompt]) -> list[float]:
        """Logits without gradients, for any number of prompts that share their first ``shared`` ids."""
        was = self.model.training
        self.model.eval()
        found: list[float] = []
        for start in range(0, len(group), _AT_ONCE):
            found += self.logits(group[start : start + _AT_ONCE]).tolist()
        self.model.train(was)
        return found

    def weights(self) -> dict[str, Callable[[], Tensor]]:
        """Name in a checkpoint -> what gives the float32 value of a weight that was trained, adapter included."""
        if lora.present(self.model):
            return lora.merged(self.model)
        found = {name: each.detach for name, each in self.trained().items()}
        if self.model.config.tie_word_embeddings:  # some checkpoints store the head as well
            found["lm_head.weight"] = self.model.lm_head.weight.detach
        return found
