"""How fast this machine multiplies matrices of the model's own sizes, and how much work a request is.

The share of the ceiling is useful work / (seconds x ceiling). Useful work counts what the answer needs: two
operations for each weight of the layers and each token that has to be computed (the shared prefix once),
and attention over the tokens before it. The embedding is a look-up and the vocabulary head is not needed:
neither counts.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yesrank.engine.openvino import check_installed
from yesrank.qwen3 import Qwen3Config, layer_tensors

if TYPE_CHECKING:
    import openvino as ov

_TOKENS = (512, 1024, 2048)
_PAIRS = 2
_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Operations a second (two for a multiply and an add) at the best batch size.

    bf16, int8: by the clock, on all cores. bf16_core, int8_core: in a second of processor time, which other programs
    take nothing of.
    """

    bf16: float
    int8: float
    bf16_core: float
    int8_core: float


def measure_ceiling(hidden: int, inner: int, device: str = "CPU") -> Ceiling:
    """Chains of [tokens, hidden] x [hidden, inner] x [inner, hidden], best of several sizes and runs.

    Raises MissingExtra where openvino, which multiplies them, is not installed.
    """
    check_installed()
    rates = [[_rates(tokens, hidden, inner, device, int8) for tokens in _TOKENS] for int8 in (False, True)]
    (bf16, bf16_core), (int8, int8_core) = (
        [max(best) for best in zip(*sizes, strict=True)] for sizes in rates
    )
    return Ceiling(bf16, int8, bf16_core, int8_core)


def useful_work(
    config: Qwen3Config, shared: int, lengths: Sequence[int], *, prefix_known: bool = False
) -> float:
    """Operations that a request needs.

    shared: tokens of the prefix; lengths: tokens of each prompt, prefix included; prefix_known: whether the
    engine has computed it before.
    """
    weights = sum(math.prod(shape) for shape in layer_tensors(config).values() if len(shape) == 2)
    per_pair = 4 * config.num_attention_heads * config.head_dim
    spans = [(shared, length) for length in lengths] + ([] if prefix_known else [(0, shared)])
    tokens = sum(stop - start for start, stop in spans)
    pairs = sum((stop * (stop + 1) - start * (start + 1)) // 2 for start, stop in spans)
    return float(config.num_hidden_layers * (2 * weights * tokens + per_pair * pairs))


def _rates(tokens: int, hidden: int, inner: int, device: str, int8: bool) -> tuple[float, float]:
    """Operations in a second by the clock, and in one of processor time."""
    import openvino as ov

    compiled = ov.Core().compile_model(
        _chain(tokens, hidden, inner, int8), device, {"INFERENCE_PRECISION_HINT": "bf16"}
    )
    request = compiled.create_infer_request()
    x = np.random.default_rng(0).standard_normal((tokens, hidden), dtype=np.float32)
    best = busiest = math.inf
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until or best == math.inf:
        started, busy = time.perf_counter(), time.process_time()
        request.infer([x])
        best = min(best, time.perf_counter() - started)
        busiest = min(
            busiest, max(time.process_time() - busy, time.get_clock_info("process_time").resolution)
        )
    work = 2 * tokens * hidden * inner * 2 * _PAIRS
    return work / best, work / busiest


def _chain(tokens: int, hidden: int, inner: int, int8: bool) -> "ov.Model":
    import openvino as ov
    import openvino.opset13 as ops

    draw = np.random.default_rng(0)
    start = ops.parameter([tokens, hidden], np.float32)
    x = start
    for _ in range(_PAIRS):
        for rows, columns in ((inner, hidden), (hidden, inner)):
            if int8:
                x = ops.fake_quantize(x, np.float32(-1), np.float32(1), np.float32(-1), np.float32(1), 255)
                stored = ops.constant(draw.integers(-127, 128, (rows, columns), dtype=np.int8))
                scale = np.full((rows, 1), 1.7 / 127 / math.sqrt(columns), np.float32)
                weight = ops.multiply(ops.convert(stored, np.float32), ops.constant(scale))
            else:
                values = draw.standard_normal((rows, columns), dtype=np.float32) / np.float32(
                    math.sqrt(columns)
                )
                weight = ops.constant(values)
            x = ops.matmul(x, weight, False, True)
    return ov.Model([x], [start])
