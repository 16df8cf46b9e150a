"""How far two engines are apart, and how far they may be.

Both engines see the same prompts; what is compared is the last hidden state h (float32 [D]) and the logit
h . d, where d = w_yes - w_no. Errors are stated in two ways that do not depend on the weights' scale:

    hidden error  |h' - h| / |h|
    logit error   |logit' - logit| / unit, with unit = rms(h) * |d|

An error of h in no particular direction with hidden error r moves the logit by about r units, on trained and
on random weights alike. The spread of the logits would not do as a unit: it is tiny on random weights and
large on trained ones. So one number r for each kind of weights and arithmetic bounds both: every hidden
error <= r, every logit error <= LOGIT_SIGMAS * r.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yesrank import head
from yesrank.types import FloatArray

# What the stored weights may add to the hidden error. bf16 and f16 hold a bf16 checkpoint (almost) exactly.
# int8 rounds a weight to 1/255 of its channel's range, int4 to 1/15 of its group's: on normally distributed
# weights 0.7 % and 10 % of a weight each, summed up over the layers. Measured with 28 layers of random weights: int8
# 4.4 %, int4 50 %.
WEIGHTS_ERROR = {"f32": 0.0, "bf16": 0.0, "f16": 0.002, "int8": 0.06, "int8-sym": 0.06, "int4": 0.9}
# What the arithmetic may add. f32 differs in the order of its sums only. bf16 rounds every activation to
# 8 bits (0.2 %), about ten times a layer. Measured with 28 layers of random weights: 0.75 %; trained models have
# outliers in their activations, hence the room above that.
# f16 rounds to 11 bits. int8 arithmetic rounds activations to 1/127 of a row's largest, or, where one scale serves
# a whole call, of the call's: trained models have rows a hundred times larger than others.
ARITHMETIC_ERROR = {"f32": 0.001, "f16": 0.01, "bf16": 0.04, "int8-rows": 0.15, "int8-calls": 0.4}
VARIANT_KINDS = {
    "fp32": ("f32", "f32"),
    "fp16": ("f16", "f16"),
    "int8": ("int8", "int8-rows"),
    "q8": ("int8", "int8-calls"),
    "uint8": ("int8", "int8-calls"),
    "q4": ("int4", "f32"),
    "q4f16": ("int4", "f16"),
    "bnb4": ("int4", "f32"),
    "bf16": ("bf16", "bf16"),
    "w8": ("int8", "f32"),
    "w8f16": ("int8", "f16"),
    "w8a8": ("int8", "int8-rows"),
    "w8f16a8": ("int8", "int8-rows"),
    "w4": ("int4", "f32"),
    "w4f16": ("int4", "f16"),
    "w4a8": ("int4", "int8-rows"),
    "w4f16a8": ("int4", "int8-rows"),
}
"""(weights, arithmetic) of each kind of ONNX graph (see engine.onnx.kinds), and of variants whose kind is not known."""
_LAYERS = 28  # of the model that the numbers above are for
# The residual stream grows too, so the error grows slowly: 3.1 % with 8 layers, 4.4 % with 28 (int8, random weights).
_GROWTH = 0.3
LOGIT_SIGMAS = 4.0


def tolerance_for(weights: str, arithmetic: str, layers: int) -> float:
    """The largest hidden error that these weights and this arithmetic may give in a model of so many layers."""
    depth = float((layers / _LAYERS) ** _GROWTH)
    return depth * (WEIGHTS_ERROR[weights] + ARITHMETIC_ERROR[arithmetic])


@dataclass(frozen=True, slots=True)
class Outputs:
    """What an engine gave: hidden float32 [N, D], and the output rows of yes and no, float32 [2, D]."""

    hidden: FloatArray
    rows: FloatArray

    @property
    def logits(self) -> FloatArray:
        """float32 [N]."""
        return head.logits(self.hidden, self.rows)


@dataclass(frozen=True, slots=True)
class Order:
    """Agreement on the order of a group.

    tau: Kendall's; swapped: pairs in another order though further apart than a logit error may be.
    """

    group: str
    prompts: int
    tau: float
    swapped: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences over all prompts. Logits and scores absolute, hidden states relative; unit in logits."""

    unit: float
    max_logit_error: float
    mean_logit_error: float
    max_score_error: float
    max_hidden_error: float
    mean_hidden_error: float
    orders: tuple[Order, ...]

    def failures(self, tolerance: float) -> tuple[str, ...]:
        """What is outside, in words; empty where everything is inside."""
        allowed = LOGIT_SIGMAS * tolerance * self.unit
        found = []
        # written so that NaN fails
        if not self.max_hidden_error <= tolerance:
            found.append(f"hidden states differ by {self.max_hidden_error:.2%}, allowed are {tolerance:.2%}")
        if not self.max_logit_error <= allowed:
            found.append(f"logits differ by up to {self.max_logit_error:.4f}, allowed are {allowed:.4f}")
        found += [
            f"{order.swapped} pairs of the group {order.group!r} changed places"
            for order in self.orders
            if order.swapped
        ]
        return tuple(found)


def compare(groups: Sequence[str], expected: Outputs, found: Outputs, tolerance: float) -> Comparison:
    """groups: the group of each prompt, by which the order is compared."""
    logits, found_logits = expected.logits, found.logits
    unit = _unit(expected)
    logit_errors = np.abs(found_logits - logits)
    hidden_errors = relative_errors(expected.hidden, found.hidden)
    allowed = LOGIT_SIGMAS * tolerance * unit
    return Comparison(
        unit=unit,
        max_logit_error=float(logit_errors.max()),
        mean_logit_error=float(logit_errors.mean()),
        max_score_error=float(np.abs(head.scores(found_logits) - head.scores(logits)).max()),
        max_hidden_error=float(hidden_errors.max()),
        mean_hidden_error=float(hidden_errors.mean()),
        orders=tuple(
            _order(group, logits[members], found_logits[members], allowed)
            for group, members in _members(groups).items()
            if len(members) > 1
        ),
    )


def relative_errors(expected: FloatArray, found: FloatArray) -> FloatArray:
    """|found - expected| / |expected| over the last axis."""
    difference = np.linalg.norm(found - expected, axis=-1)
    result: FloatArray = difference / np.maximum(np.linalg.norm(expected, axis=-1), np.float32(1e-30))
    return result


def _unit(outputs: Outputs) -> float:
    """The logit of a hidden state of the usual size in no particular direction."""
    size = outputs.hidden.shape[1] ** 0.5
    direction = float(np.linalg.norm(outputs.rows[0] - outputs.rows[1]))
    return float(np.median(np.linalg.norm(outputs.hidden, axis=1))) / float(size) * direction


def _members(groups: Sequence[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return members


def _order(group: str, expected: FloatArray, found: FloatArray, allowed: float) -> Order:
    first, second = np.triu_indices(len(expected), k=1)
    before, after = expected[first] - expected[second], found[first] - found[second]
    agreement = np.sign(before) * np.sign(after)
    swapped = (agreement < 0) & (np.abs(before) > allowed)
    return Order(group, len(expected), float(agreement.mean()), int(swapped.sum()))
