"""The seam between the model's arithmetic and everything else."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

import numpy as np

from yesrank.errors import InputError
from yesrank.types import EngineInfo, FloatArray, Ids, Progress, Prompt

HeadRows = Callable[[Sequence[int]], FloatArray]
"""Rows of the output embedding by token id: float32 [len(ids), D]."""


class Engine(Protocol):
    """Runs a Qwen3 decoder over prompts. Knows nothing of queries, documents, yes and no.

    Safe to call from several threads; calls are carried out one after the other.
    """

    @property
    def info(self) -> EngineInfo:
        """What is really running."""

    def encode(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        """The final-norm hidden state of each prompt's last token: float32 [N, D], in the prompts' order.

        Raises InputError for a prompt without ids or longer than the model's positions, EngineError
        where the device fails. `progress` is called with the number of prompts finished since the last call.
        """

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None:
        """Names the prefixes with which later calls begin: once computed, these stay in memory whatever their length.

        Those named before and not now go, unless there is room for them: what an engine remembers unasked is bounded.
        So does a prompt that was begun, unless it is named.
        """

    def begin(self, prompt: Prompt, tokens: int) -> int:
        """Computes about so many more tokens of a prompt ahead of `encode`, which then goes on from there.

        Returns how many that were: 0 where no more can be done ahead. The result of `encode` is the same, bit by bit.
        What was computed stays in memory until the prompt is encoded, another one is begun, or `keep` does not name it.
        Raises as `encode`.
        """

    def output_rows(self, ids: Sequence[int]) -> FloatArray:
        """Rows of the output embedding (lm_head): float32 [len(ids), D]."""

    def close(self) -> None:
        """Frees the weights and caches. A second call does nothing; encode after it raises EngineError."""


def check_prompts(prompts: Sequence[Prompt], positions: int) -> None:
    """Raises InputError for a prompt without ids or longer than the model's positions."""
    for index, prompt in enumerate(prompts):
        if not len(prompt.own) or len(prompt) > positions:
            raise InputError(
                f"prompts[{index}]",
                f"has {len(prompt)} tokens; the model takes 1 to {positions}",
                "set max_length to cut documents",
            )


def groups(prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """The distinct prompts of each distinct prefix, in order of first appearance."""
    found: dict[Ids, dict[Prompt, None]] = {}
    for prompt in prompts:
        found.setdefault(prompt.prefix, {})[prompt] = None
    return [list(members) for members in found.values()]


def in_order(
    prompts: Sequence[Prompt],
    rows: Iterable[tuple[Prompt, FloatArray]],
    width: int,
    progress: Progress | None,
) -> FloatArray:
    """What `Engine.encode` returns: float32 [N, width].

    rows: (prompt, hidden state [width]) of each distinct prompt, in any order, as they get done.
    """
    places: dict[Prompt, list[int]] = {}
    for index, prompt in enumerate(prompts):
        places.setdefault(prompt, []).append(index)
    out = np.empty((len(prompts), width), np.float32)
    for prompt, row in rows:
        out[places[prompt]] = row
        if progress is not None:
            progress(len(places[prompt]))
    return out
