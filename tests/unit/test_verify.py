"""The measures and the prompt set of verify, on engines made of noise."""

import math

import numpy as np
import pytest
from conftest import NoisyEngine

from yesrank.prompt import TEMPLATES
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt
from yesrank.verify import compare as measures
from yesrank.verify.cases import Case, build_cases, texts
from yesrank.verify.compare import LOGIT_SIGMAS, Outputs, compare, relative_errors, tolerance_for

PROMPTS = [Prompt((1, 2, number)) for number in range(40)]
GROUPS = ["a"] * 20 + ["b"] * 20


def outputs(noise: float = 0.0) -> Outputs:
    engine = NoisyEngine(hidden=256, noise=noise)
    return Outputs(engine.encode(PROMPTS), engine.output_rows([0, 1]))


def test_equal_engines_agree_entirely() -> None:
    found = compare(GROUPS, outputs(), outputs(), tolerance=0.0)
    assert found.max_logit_error == found.max_hidden_error == found.max_score_error == 0.0
    assert [(order.tau, order.swapped) for order in found.orders] == [(1.0, 0), (1.0, 0)]
    assert found.failures(0.0) == ()


@pytest.mark.parametrize("noise", [0.001, 0.03, 0.2])
def test_noise_within_the_tolerance_passes_and_three_times_as_much_fails(noise: float) -> None:
    """The unit is what ties the two bounds together: a hidden error of r moves logits by about r units."""
    found = compare(GROUPS, outputs(), outputs(noise), tolerance=1.3 * noise)
    assert found.failures(1.3 * noise) == ()
    assert found.max_hidden_error == pytest.approx(noise, rel=0.25)
    assert 0.3 * noise < found.mean_logit_error / found.unit < 1.5 * noise
    assert compare(GROUPS, outputs(), outputs(3 * noise), tolerance=1.3 * noise).failures(1.3 * noise)


def test_one_wrong_prompt_fails() -> None:
    found = outputs()
    found.hidden[7] = found.hidden[8]
    assert any("hidden" in line for line in compare(GROUPS, outputs(), found, 0.06).failures(0.06))


def test_exchanged_answers_fail_though_hidden_states_agree() -> None:
    exchanged = Outputs(outputs().hidden, outputs().rows[::-1])
    comparison = compare(GROUPS, outputs(), exchanged, 0.06)
    assert comparison.max_hidden_error == 0.0
    assert [order.tau for order in comparison.orders] == [-1.0, -1.0]
    assert any("changed places" in line for line in comparison.failures(0.06))


def test_nan_fails() -> None:
    broken = outputs()
    broken.hidden[0] = math.nan
    assert len(compare(GROUPS, outputs(), broken, 0.5).failures(0.5)) == 2


def test_swaps_of_documents_that_are_too_close_to_call_are_counted_in_tau_only() -> None:
    rows = np.array([[1, 0], [0, 0]], np.float32)
    close, swapped = (
        np.array([[value, 10.0] for value in values], np.float32) for values in ([1, 1.1], [1.1, 1])
    )
    comparison = compare(["a", "a"], Outputs(close, rows), Outputs(swapped, rows), tolerance=0.06)
    assert comparison.orders[0].tau == -1.0
    assert comparison.orders[0].swapped == 0


def test_relative_errors_work_on_layers_too() -> None:
    expected = np.ones((3, 4, 5), np.float32)
    assert relative_errors(expected, expected * np.float32(1.5)) == pytest.approx(np.full((3, 4), 0.5))


def test_every_kind_of_weights_and_arithmetic_has_a_tolerance() -> None:
    assert tolerance_for("bf16", "f32") < tolerance_for("bf16", "bf16") < tolerance_for("int8", "bf16") < 0.2
    assert set(measures.WEIGHTS_ERROR) >= {"bf16", "f16", "int8", "int8-sym", "int4"}
    assert LOGIT_SIGMAS > 3


# the prompts


def build(tokenizer: str, max_length: int = 8192, count: int | None = None) -> list[Case]:
    return build_cases(PromptEncoder(tokenizer), TEMPLATES["card"], 1000, max_length, count)


def sizes(cases: list[Case]) -> dict[str, int]:
    return {
        group: sum(case.group == group for case in cases) for group in dict.fromkeys(c.group for c in cases)
    }


def test_the_set_is_the_same_every_time(small_tokenizer: str) -> None:
    assert build(small_tokenizer) == build(small_tokenizer)
    assert sizes(build(small_tokenizer)) == {"published": 4, "scripts": 16, "long": 2, "random": 4}


def test_long_prompts_are_long_where_the_model_has_room(small_tokenizer: str) -> None:
    lengths = [len(case.prompt.ids) for case in build(small_tokenizer)]
    assert max(lengths) > 1100
    assert sum(lengths) < 12_000
    assert max(len(case.prompt.ids) for case in build(small_tokenizer, max_length=512)) == 512


@pytest.mark.parametrize("count", [1, 3, 10, 26, 40])
def test_a_smaller_or_larger_set_draws_on_all_groups(small_tokenizer: str, count: int) -> None:
    cases = build(small_tokenizer, count=count)
    assert len(cases) == count
    assert len(sizes(cases)) == min(count, 4)
    assert len({case.prompt.ids for case in cases}) == count


def test_prompts_of_a_group_share_their_prefix(small_tokenizer: str) -> None:
    for group in sizes(build(small_tokenizer)):
        prompts = [case.prompt for case in build(small_tokenizer) if case.group == group]
        assert len({prompt.ids[: prompt.shared] for prompt in prompts}) == 1


def test_texts_cover_many_scripts() -> None:
    first = {ord(document[0]) >> 7 for document in texts()["scripts"]["documents"]}
    assert len(first) >= 10
    assert len(texts()["golden"]["documents"]) == len(texts()["golden"]["logits"])
