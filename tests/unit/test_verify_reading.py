"""The second reading of a source notices what the first one gets wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import CONFIG
from safetensors.numpy import load_file, save_file

from yesrank import rope
from yesrank.checkpoint import Checkpoint
from yesrank.randomweights import write_random_checkpoint
from yesrank.verify import run
from yesrank.verify.reading import Reading, read_again

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
EVERYTHING = {"attention_factor": 1.3, "beta_fast": 16, "beta_slow": 2, "truncate": False}
THETA = {"rope_theta": 1e6}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_random_checkpoint(tmp_path, CONFIG, seed=7)
    return tmp_path


def edit(folder: Path, **keys: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | keys
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"rope_scaling": YARN},
        {"rope_theta": None, "rope_parameters": THETA, "rope_scaling": YARN},
        {"rope_theta": None, "rope_parameters": YARN | THETA | EVERYTHING},
        {"rope_scaling": YARN | {"mscale": 1.0, "mscale_all_dim": 0.5}},
        {"rope_scaling": {"type": "yarn", "factor": 4.0}, "original_max_position_embeddings": 128},
        {"rope_scaling": YARN | {"factor": None}},
    ],
    ids=str,
)
def test_the_two_readings_agree(keys: dict[str, Any], folder: Path) -> None:
    edit(folder, **keys)
    assert read_again(Checkpoint(folder), (3, 4)).differences == ()


def test_scaling_that_is_not_heard_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder, rope_scaling=YARN)
    heard = Checkpoint(folder)
    monkeypatch.setattr(rope, "read", lambda config: (float(config["rope_theta"]), None))
    deaf = read_again(Checkpoint(folder), (3, 4)).differences
    assert any("in size, not 1.13863" in each for each in deaf)
    heard.config = replace(heard.config, rope_theta=1e4)
    assert any("other frequencies" in each for each in read_again(heard, (3, 4)).differences)


def test_sizes_that_are_read_wrongly_are_noticed(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    checkpoint.config = replace(checkpoint.config, rms_norm_eps=1e-5)
    assert "rms_norm_eps is 1e-06, not 1e-05" in read_again(checkpoint, (3, 4)).differences[0]


@pytest.mark.parametrize("tied", [True, False])
def test_another_head_is_noticed(tied: bool, folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = np.flip(tensors["model.embed_tokens.weight"], 0).copy()
    save_file(tensors, folder / "model.safetensors")
    edit(folder, tie_word_embeddings=tied)
    checkpoint = Checkpoint(folder)
    assert read_again(checkpoint, (3, 4)).differences == ()
    checkpoint.config = replace(checkpoint.config, tie_word_embeddings=True)
    assert "lm_head" in read_again(checkpoint, (3, 4)).differences[0]


def test_weights_of_an_older_save_are_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = folder / "older"
    write_random_checkpoint(older, CONFIG, seed=8)
    checkpoint = Checkpoint(older)
    checkpoint.folder = folder
    rows = Checkpoint(older).output_rows([3, 4])
    monkeypatch.setattr(checkpoint, "output_rows", lambda ids: rows)
    assert "output rows" in read_again(checkpoint, (3, 4)).differences[0]


def test_what_is_noticed_fails_the_verification(
    folders: dict[str, Path], checkpoint_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "read_again", lambda *_: Reading("somebody", ("read by somebody, it is other",)))
    report = run.verify(folders["bf16"], checkpoint_folder, precision="f32", prompts=1)
    assert not report.passed
    assert report.failures == ("read by somebody, it is other",)
