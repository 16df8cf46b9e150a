"""vLLM as an engine: the reference engine's states, to the bound of its arithmetic. A start takes a minute or two."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_models import request

pytest.importorskip("vllm", reason="vllm is not installed: make test-vllm")

from yesrank import Reranker, head
from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import ReferenceEngine
from yesrank.engine.vllm import VllmEngine
from yesrank.errors import EngineError, InputError
from yesrank.types import Prompt
from yesrank.verify.compare import ARITHMETIC_ERROR, relative_errors, tolerance_for

LAYERS = 4
EAGER = {"enforce_eager": True}  # nothing is compiled: these models run for seconds


def prompts() -> list[Prompt]:
    """Prefixes that end inside, at and after a block of vLLM's (16 on cards, 128 on CPUs); lone ones; duplicates."""
    found = [
        *request(1, 78, [40, 300, 153, 1, 77]),
        *request(2, 128, [20, 33]),
        *request(3, 129, [5, 6, 7]),
        *request(4, 16, [1, 2]),
        *request(5, 0, [1]),
        *request(6, 300, [900]),
    ]
    return [*found, found[2], found[0]]


def check_prefixes_are_kept(engine: VllmEngine) -> None:
    """A prompt whose prefix was computed for another one is found in vLLM's cache, as whole blocks."""
    [first] = request(21, 384, [10])
    second = Prompt(first.prefix, request(22, 0, [10])[0].own)
    engine.encode([first])
    seen: list[int] = []
    whole = engine._model.embed

    def embed(*arguments, **options):
        found = whole(*arguments, **options)
        seen.extend(each.num_cached_tokens for each in found)
        return found

    engine._model.embed = embed
    engine.encode([second])
    assert seen[0] >= 256


@pytest.mark.parametrize(("name", "precision"), [("tied", "f32"), ("untied", "bf16")])
def test_states_rows_and_logits_are_those_of_the_reference(
    checkpoints: dict[str, Path], name: str, precision: str
) -> None:
    batch = prompts()
    reference = ReferenceEngine(Checkpoint(checkpoints[name]))
    expected, rows = reference.encode(batch), reference.output_rows([3, 5])
    engine = VllmEngine(checkpoints[name], precision=precision, options=EAGER)
    try:
        assert (engine.info.engine, engine.info.precision) == ("vllm", precision)
        told: list[int] = []
        found = engine.encode(batch, told.append)
        bound = tolerance_for("bf16", precision, LAYERS)
        assert bound <= ARITHMETIC_ERROR[precision]
        assert relative_errors(expected, found).max() <= bound
        assert sum(told) == len(batch)
        np.testing.assert_array_equal(engine.output_rows([3, 5]), rows)
        unit = (
            float(np.median(np.linalg.norm(expected, axis=1))) / 128**0.5 * np.linalg.norm(rows[0] - rows[1])
        )
        assert np.abs(head.logits(found, rows) - head.logits(expected, rows)).max() <= 4 * bound * unit
        # again, with all prefixes in vLLM's memory, and in another order
        backwards = engine.encode(batch[::-1])[::-1]
        assert relative_errors(expected, backwards).max() <= bound
        check_prefixes_are_kept(engine)
        assert engine.encode([]).shape == (0, 128)
        with pytest.raises(InputError, match="has 4097 tokens"):
            engine.encode([Prompt.of([1] * (4097))])
    finally:
        engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.encode(batch)


@pytest.mark.parametrize(
    ("options", "precision", "field"),
    [
        ({"runner": "generate"}, "auto", "engine_options"),
        ({"dtype": "float16"}, "bf16", "engine_options"),
        ({"no_such_thing": 1}, "auto", "engine_options"),
        ({}, "int8", "precision"),
    ],
)
def test_options_that_cannot_be(
    checkpoints: dict[str, Path], options: dict[str, object], precision: str, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        VllmEngine(checkpoints["tied"], precision=precision, options=options)
    assert caught.value.field == field


def test_a_converted_folder_is_refused() -> None:
    from yesrank.errors import ModelError

    with pytest.raises(ModelError, match="holds no checkpoint"):
        Reranker("builtin", engine="vllm")


def test_verify_through_the_command_line(checkpoints: dict[str, Path]) -> None:
    command = [
        sys.executable,
        "-m",
        "yesrank",
        "verify",
        str(checkpoints["untied"]),
        "--engine",
        "vllm",
        "-p",
        "f32",
    ]
    command += ["--engine-option", "enforce_eager=true", "--prompts", "6", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["passed"]
    assert told["engine"]["engine"] == "vllm"
