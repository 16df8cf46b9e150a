"""The measures and the prompt set of verify, on engines made of noise."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from random_models import CONFIG
from stand_ins import NoisyEngine
from typer.testing import CliRunner

from yesrank.cli.main import app
from yesrank.convert import convert
from yesrank.errors import ModelError, VerificationFailed
from yesrank.models.builtin import checkpoint_folder as builtin_checkpoint
from yesrank.prompt import TEMPLATES
from yesrank.randomweights import write_random_checkpoint
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt
from yesrank.verify import compare as measures
from yesrank.verify import verify
from yesrank.verify.cases import Case, build_cases, texts
from yesrank.verify.compare import LOGIT_SIGMAS, Outputs, compare, relative_errors, tolerance_for

PROMPTS = [Prompt.of((1, 2, number)) for number in range(40)]
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
    bounds = [
        tolerance_for(*kind, layers=28) for kind in (("bf16", "f32"), ("bf16", "bf16"), ("int8", "bf16"))
    ]
    assert bounds == sorted(bounds)
    assert 0 < bounds[0] < bounds[-1] < 0.2
    assert tolerance_for("int8", "bf16", layers=4) < bounds[-1] < tolerance_for("int8", "bf16", layers=36)
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
    assert sizes(build(small_tokenizer)) == {"published": 4, "scripts": 12, "long": 2, "random": 3}


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
    assert len(first) >= 11
    assert len(texts()["golden"]["documents"]) == len(texts()["golden"]["logits"])


# the whole, on a small random checkpoint


@pytest.fixture
def converted_folder(folders: dict[str, Path]) -> Path:
    return folders["int8"]


@pytest.mark.parametrize("weights", ["bf16", "int8", "int4"])
def test_every_kind_of_weights_is_within_its_own_tolerance(
    checkpoint_folder: Path, folders: dict[str, Path], weights: str
) -> None:
    report = verify(folders[weights], checkpoint_folder, precision="f32", prompts=2)
    assert report.failures == ()
    assert report.weights == weights


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_a_sound_conversion_passes(checkpoint_folder: Path, converted_folder: Path, precision: str) -> None:
    report = verify(converted_folder, checkpoint_folder, precision=precision, prompts=5, layers=True)
    assert report.failures == ()
    assert len(report.layers) == report.engine.layers + 1
    assert not report.golden.applies


def test_another_checkpoint_does_not_pass(
    checkpoint_folder: Path, converted_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_random_checkpoint(other, CONFIG, seed=8)
    shutil.copy(checkpoint_folder / "tokenizer.json", other)
    assert not verify(converted_folder, other, prompts=2).passed
    done = CliRunner().invoke(
        app, ["verify", str(converted_folder), "--source", str(other), "--prompts", "2"]
    )
    assert isinstance(done.exception, VerificationFailed)
    assert "NOT verified" in done.stdout


def test_a_published_name_without_the_published_logits_fails(
    checkpoint_folder: Path, converted_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "Qwen3-Reranker-0.6B"
    shutil.copytree(checkpoint_folder, named)
    assert verify(converted_folder, named, prompts=2).passed  # of other sizes: a note, no more
    monkeypatch.setitem(texts()["golden"], "shape", {})
    report = verify(converted_folder, named, prompts=2)
    assert any("damaged download" in failure for failure in report.failures)
    assert verify(converted_folder, checkpoint_folder, prompts=2).passed


def test_without_a_source_the_one_in_the_manifest_is_looked_for(
    checkpoint_folder: Path, converted_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "converted"
    shutil.copytree(converted_folder, folder)
    with pytest.raises(ModelError, match="nothing to compare with") as caught:
        verify(folder, prompts=1)
    assert "--source" in str(caught.value.hint)
    shutil.copytree(checkpoint_folder, tmp_path / checkpoint_folder.name)
    assert verify(folder, prompts=1).source == tmp_path / checkpoint_folder.name


def test_the_built_in_models_source_is_in_the_package(tmp_path: Path) -> None:
    convert(builtin_checkpoint(), tmp_path / "b")
    assert verify(tmp_path / "b", prompts=1).source == builtin_checkpoint()


def test_another_tokenizer_is_noticed(
    checkpoint_folder: Path, converted_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(checkpoint_folder, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (other / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    with pytest.raises(ModelError, match="different ids"):
        verify(converted_folder, other, prompts=1)
