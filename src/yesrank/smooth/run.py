"""Checkpoint -> the factors that make it bear int8: texts through the reference engine, one layer after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert.fold import Factors
from yesrank.engine.reference import residual_streams
from yesrank.prompt import TEMPLATES
from yesrank.smooth.balance import Balance, balance
from yesrank.tokens import PromptEncoder
from yesrank.types import FloatArray, Prompt
from yesrank.verify.cases import build_cases

_MAX_LENGTH = 256  # tokens of a calibration prompt
_ROWS = 256  # tokens by which a product is judged, spread evenly over all prompts
_LEAST_RANGE = 2.0**-6  # of a row, so that its scale, 1/255 of that, is a normal float16
_VALUES = "self_attn.v_proj"
_PAIRS = (
    ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", _VALUES)),
    (_VALUES, ("self_attn.o_proj",)),
    ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
    ("mlp.up_proj", ("mlp.down_proj",)),
)
"""What is divided, and the matrices whose columns are multiplied by the same. Between the norms of queries and keys and
their product nothing is rounded to 8 bits."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The factors; and by how much the products' error fell, each relative: their mean before and after."""

    factors: Factors
    before: float
    after: float


def smoothing(checkpoint: Checkpoint) -> Smoothing:
    """Finds the factors for a checkpoint; convert(..., smooth=) writes them into the weights.

    Runs the reference engine over about 2 000 tokens, in its memory. Raises as Checkpoint.
    """
    prompts = _prompts(checkpoint)
    tokens = sum(len(prompt) for prompt in prompts)
    chosen = np.unique(np.linspace(0, tokens - 1, _ROWS).astype(int))
    sources: dict[str, FloatArray] = {}
    rows: dict[str, FloatArray] = {}
    columns: dict[str, FloatArray] = {}
    found: list[Balance] = []

    def seen(name: str, source: FloatArray) -> None:
        sources[name] = source[chosen]

    for layer, _ in enumerate(residual_streams(checkpoint, prompts, seen), start=-1):
        if layer < 0:  # the embedding
            continue
        for before, after in _PAIRS:
            result = _balance(checkpoint, layer, before, after, sources)
            found.append(result)
            if result.columns is not None:
                rows[_name(layer, before)] = np.float32(1) / _once(checkpoint, before, result.columns)
                columns |= {_name(layer, each): result.columns for each in after}
        sources.clear()
        checkpoint.release()
    return Smoothing(
        Factors(rows, columns),
        float(np.mean([each.before for each in found])),
        float(np.mean([each.after for each in found])),
    )


def _prompts(checkpoint: Checkpoint) -> Sequence[Prompt]:
    encoder = PromptEncoder.from_folder(checkpoint.folder)
    limit = min(_MAX_LENGTH, checkpoint.config.max_position_embeddings)
    cases = build_cases(encoder, TEMPLATES["card"], checkpoint.config.vocab_size, limit)
    return [case.prompt for case in cases if case.group != "random"]


def _balance(
    checkpoint: Checkpoint, layer: int, before: str, after: Sequence[str], sources: Mapping[str, FloatArray]
) -> Balance:
    matrices = [checkpoint.float32(_name(layer, each)) for each in after]
    if not before.endswith("_proj"):
        return balance(sources[_name(layer, after[0])], matrices)
    # the rows of a matrix are divided, and have scales of their own
    ranges = np.abs(checkpoint.float32(_name(layer, before))).max(axis=1)
    most = np.exp2(np.floor(np.log2(np.maximum(ranges / _LEAST_RANGE, 1)))).astype(np.float32)
    tied = _heads(checkpoint) if before == _VALUES else (1, 1)
    most = np.repeat(most.reshape(tied[0], 1, -1), tied[1], axis=1).reshape(-1)
    return balance(sources[_name(layer, after[0])], matrices, most=most, tied=tied)


def _once(checkpoint: Checkpoint, before: str, columns: FloatArray) -> FloatArray:
    """The factors of the columns as those of what comes before: heads that share their values have one row of these."""
    if before != _VALUES:
        return columns
    result: FloatArray = columns.reshape(*_heads(checkpoint), -1)[:, 0].reshape(-1)
    return result


def _heads(checkpoint: Checkpoint) -> tuple[int, int]:
    """(heads of values, heads of queries that share each)."""
    config = checkpoint.config
    return config.num_key_value_heads, config.num_attention_heads // config.num_key_value_heads


def _name(layer: int, short: str) -> str:
    return qwen3.layer_name(layer, f"{short}.weight")
