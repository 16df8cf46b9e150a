"""RoPE as config.json asks for it: the numbers are those of transformers 5.24 for the same configurations.

tests/parity/test_published.py makes them anew from transformers itself.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import CONFIG, request

from yesrank import rope
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert, convert_onnx
from yesrank.engine.onnx import open_engine as open_onnx
from yesrank.engine.openvino import open_engine as open_openvino
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import CheckpointError, UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.qwen3 import Qwen3Config
from yesrank.randomweights import config_json, write_random_checkpoint
from yesrank.rope import Yarn

YARN = {"rope_type": "yarn", "factor": 4.0}
SHORT = YARN | {"original_max_position_embeddings": 64}
CARD = YARN | {"original_max_position_embeddings": 32768}  # what the model cards advise for long texts
THETA = {"rope_theta": 1e6}
# (head size, positions, keys of config.json) -> (theta, frequencies of six pairs, attention factor)
GOLDEN: dict[str, tuple[int, int, dict[str, Any], float, list[float], float]] = {
    "the card's": (
        128,
        40960,
        {**THETA, "rope_scaling": CARD},
        1e6,
        [1.0, 0.03162278, 0.0008029598, 0.0003342406, 7.905694e-06, 3.102344e-07],
        1.1386294,
    ),
    "the older key, and no trained length": (
        32,
        256,
        {**THETA, "rope_scaling": {"type": "yarn", "factor": 4.0}},
        1e6,
        [1.0, 0.01264911, 0.0005928435, 4.445699e-05, 7.905694e-06, 5.928434e-07],
        1.1386294,
    ),
    "everything said": (
        32,
        256,
        {
            "rope_parameters": {
                **SHORT,
                **THETA,
                "attention_factor": 1.3,
                "beta_fast": 16,
                "beta_slow": 2,
                "truncate": False,
            }
        },
        1e6,
        [1.0, 0.007905695, 0.0005928435, 4.445699e-05, 7.905694e-06, 5.928434e-07],
        1.3,
    ),
    "scaled twice": (
        32,
        256,
        {"rope_parameters": {**SHORT, **THETA, "mscale": 1.0, "mscale_all_dim": 0.5}},
        1e6,
        [1.0, 0.007905695, 0.0005928435, 4.445699e-05, 7.905694e-06, 5.928434e-07],
        1.0648216,
    ),
    "added beside rope_parameters, whose theta is lost": (
        32,
        256,
        {"rope_parameters": {"rope_type": "default", **THETA}, "rope_scaling": SHORT},
        1e4,
        [1.0, 0.04, 0.004445699, 0.0007905695, 0.00025, 4.445699e-05],
        1.1386294,
    ),
}


def read(**keys: Any) -> Qwen3Config:
    config = {key: value for key, value in config_json(CONFIG).items() if key != "rope_theta"}
    return Qwen3Config.from_dict({**config, **keys})


@pytest.mark.parametrize("case", GOLDEN)
def test_frequencies_are_those_of_transformers(case: str) -> None:
    size, positions, keys, theta, expected, factor = GOLDEN[case]
    config = read(head_dim=size, max_position_embeddings=positions, **keys)
    assert config.yarn is not None
    plain = theta ** (-np.arange(0, size, 2) / size)
    found = rope.frequencies(plain, config.rope_theta, config.yarn)
    pairs = size // 2
    chosen = [0, pairs // 4, pairs // 2 - 1, pairs // 2 + 2, 3 * pairs // 4, pairs - 1]
    assert config.rope_theta == theta
    assert found[chosen] == pytest.approx(expected, rel=1e-6)
    assert config.yarn.attention_factor == pytest.approx(factor, rel=1e-7)


def test_without_scaling_nothing_is_touched() -> None:
    plain = np.arange(4, dtype=np.float32)
    assert rope.frequencies(plain, 1e6, None) is plain
    assert read(rope_parameters={"rope_type": "default", "rope_theta": 5e5}).yarn is None


def test_a_trained_length_beside_the_object_goes_first() -> None:
    config = read(**THETA, rope_scaling=SHORT, original_max_position_embeddings=128)
    assert config.yarn is not None
    assert config.yarn.original_max_position_embeddings == 128


def test_scaling_makes_room_for_longer_prompts() -> None:
    assert read(**THETA, max_position_embeddings=40960).longest == 32768
    config = read(**THETA, max_position_embeddings=40960, rope_scaling=CARD)
    assert (config.positions, config.longest) == (131072, 131072)


def test_a_theta_that_is_hidden_is_told() -> None:
    beside = {"rope_parameters": THETA, "rope_scaling": SHORT}
    assert "10,000 as in transformers, not 1,000,000" in str(rope.forgotten_theta(beside))
    assert rope.forgotten_theta({**beside, "rope_scaling": {**SHORT, **THETA}}) is None
    assert rope.forgotten_theta({**beside, **THETA}) is None
    assert rope.forgotten_theta({"rope_parameters": THETA}) is None


@pytest.mark.parametrize("kind", ["linear", "dynamic", "longrope", "llama3", "proportional", "su"])
@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_other_kinds_are_refused(kind: str, key: str) -> None:
    with pytest.raises(UnsupportedModel, match=kind) as caught:
        read(**{**THETA, key: {"rope_type": kind, "factor": 2.0, **THETA}})
    assert "yarn" in str(caught.value.hint)


@pytest.mark.parametrize(
    "keys",
    [
        {"rope_parameters": {"full_attention": {"rope_type": "default", **THETA}}},
        {**THETA, "partial_rotary_factor": 0.5},
    ],
)
def test_what_turns_layers_or_heads_in_part_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel):
        read(**keys)


@pytest.mark.parametrize(
    "scaling", ["yarn", {**SHORT, "factor": 0.5}, {**SHORT, "factor": "x"}, {"rope_type": "yarn"}]
)
def test_values_that_mean_nothing_are_refused(scaling: object) -> None:
    with pytest.raises(CheckpointError):
        read(**THETA, rope_scaling=scaling)


def test_both_converters_and_the_reference_engine_scale_alike(tmp_path: Path, small_tokenizer: str) -> None:
    source = tmp_path / "source"
    yarn = Yarn(4.0, 64, attention_factor=1.3)
    write_random_checkpoint(source, replace(CONFIG, max_position_embeddings=80, yarn=yarn))
    (source / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    convert(source, tmp_path / "ir", weights="bf16")
    convert_onnx(source, tmp_path / "onnx", variants=["fp32"])
    prompts = request(1, 30, [226, 40])  # the first one fills all 256 positions
    expected = ReferenceEngine(Checkpoint(source)).encode(prompts)
    plain = ReferenceEngine(checkpoint_without_scaling(source, tmp_path / "plain")).encode(prompts)
    assert distance(plain, expected) > 0.1  # else the comparison would prove nothing
    assert distance(open_onnx(tmp_path / "onnx").encode(prompts), expected) < 1e-5
    for paged in (True, False):
        engine = open_openvino(tmp_path / "ir", precision="f32", paged=paged)
        assert distance(engine.encode(prompts), expected) < 1e-4
    assert open_model(tmp_path / "onnx").limit == open_model(tmp_path / "ir").limit == 256


def checkpoint_without_scaling(source: Path, target: Path) -> Checkpoint:
    write_random_checkpoint(target, replace(CONFIG, max_position_embeddings=256))
    assert (target / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    return Checkpoint(target)


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest relative error of a row."""
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())
