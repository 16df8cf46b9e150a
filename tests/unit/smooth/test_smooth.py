"""A smoothed model is the same function, and bears int8."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from random_models import CONFIG, request
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.cli.main import app
from yesrank.convert import convert, convert_onnx
from yesrank.convert.fold import Folded
from yesrank.engine.openvino import open_engine
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import InputError
from yesrank.manifest import read_manifest
from yesrank.randomweights import write_random_checkpoint
from yesrank.smooth import smoothing
from yesrank.types import FloatArray
from yesrank.verify.compare import relative_errors

PROMPTS = request(9, 20, [30, 50, 7])
GROUPS = CONFIG.num_attention_heads // CONFIG.num_key_value_heads


def find(checkpoint: Checkpoint):
    return smoothing(checkpoint).factors


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    """A checkpoint with outliers in every place where some can stand without changing the function."""
    folder = tmp_path_factory.mktemp("planted")
    write_random_checkpoint(folder, CONFIG, seed=7)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    file = folder / "model.safetensors"
    tensors = {name: value.astype(np.float32) for name, value in load_file(file).items()}
    for layer in range(CONFIG.num_hidden_layers):
        plant(lambda short, layer=layer: tensors[qwen3.layer_name(layer, f"{short}.weight")])
    kind = load_file(file)[qwen3.EMBEDDING].dtype
    save_file({name: value.astype(kind) for name, value in tensors.items()}, file)
    return folder


def plant(of: Callable[[str], FloatArray]) -> None:
    """Powers of two, so that the checkpoint's own type holds them exactly."""
    of("input_layernorm")[7] *= 1024
    for each in ("q_proj", "k_proj", "v_proj"):
        of(f"self_attn.{each}")[:, 7] /= 1024
    of("post_attention_layernorm")[3] *= 1024
    for each in ("gate_proj", "up_proj"):
        of(f"mlp.{each}")[:, 3] /= 1024
    of("mlp.up_proj")[5] *= 1024
    of("mlp.down_proj")[:, 5] /= 1024
    of("self_attn.v_proj")[CONFIG.head_dim + 2] *= 1024
    for head in range(GROUPS, 2 * GROUPS):
        of("self_attn.o_proj")[:, head * CONFIG.head_dim + 2] /= 1024


def encoded(folder: Path, precision: str) -> FloatArray:
    engine = open_engine(folder, precision=precision)
    try:
        return engine.encode(PROMPTS)
    finally:
        engine.close()


def test_the_function_is_the_same_to_the_last_bit(planted: Path) -> None:
    checkpoint = Checkpoint(planted)
    found = smoothing(checkpoint)
    assert len(found.factors.rows) >= CONFIG.num_hidden_layers * 4
    folded = ReferenceEngine(Folded(checkpoint, found.factors))
    assert np.array_equal(folded.encode(PROMPTS), ReferenceEngine(checkpoint).encode(PROMPTS))


@pytest.mark.parametrize("weights", ["int8", "int8-sym"])
def test_planted_outliers_no_longer_matter(
    weights: str, planted: Path, checkpoint_folder: Path, tmp_path: Path
) -> None:
    expected = ReferenceEngine(Checkpoint(checkpoint_folder)).encode(PROMPTS)
    for source, name in ((checkpoint_folder, "clean"), (planted, "plain")):
        convert(source, tmp_path / name, weights=weights)
    manifest = convert(planted, tmp_path / "smooth", weights=weights, smooth=find)
    assert manifest.smooth
    assert read_manifest(tmp_path / "smooth") == manifest
    for precision in ("f32", "w8a8"):
        clean, plain, smooth = (
            relative_errors(expected, encoded(tmp_path / name, precision)).max()
            for name in ("clean", "plain", "smooth")
        )
        assert plain > 2 * clean, "the outliers do no harm here"
        assert smooth < 1.2 * clean


def test_onnx_files_too(planted: Path, checkpoint_folder: Path, tmp_path: Path) -> None:
    from yesrank.engine.onnx import open_engine as open_onnx

    expected = ReferenceEngine(Checkpoint(checkpoint_folder)).encode(PROMPTS)

    def error(name: str) -> float:
        engine = open_onnx(tmp_path / name, variant="q8")
        try:
            return float(relative_errors(expected, engine.encode(PROMPTS)).max())
        finally:
            engine.close()

    convert_onnx(checkpoint_folder, tmp_path / "clean", variants=["q8"])
    convert_onnx(planted, tmp_path / "plain", variants=["q8"])
    assert convert_onnx(planted, tmp_path / "smooth", variants=["q8"], smooth=find).smooth
    assert error("plain") > 2 * error("clean")
    assert error("smooth") < 1.2 * error("clean")


def test_without_it_nothing_changes(checkpoint_folder: Path, tmp_path: Path) -> None:
    manifest = convert(checkpoint_folder, tmp_path / "plain")
    assert not manifest.smooth
    assert "smooth" not in manifest.as_dict()


def test_weights_that_gain_nothing_are_refused(checkpoint_folder: Path, tmp_path: Path) -> None:
    for weights in ("bf16", "int4"):
        with pytest.raises(InputError, match=f"does not go with {weights}"):
            convert(checkpoint_folder, tmp_path / "out", weights=weights, smooth=find)
    with pytest.raises(InputError, match="does not go with q4"):
        convert_onnx(checkpoint_folder, tmp_path / "out", variants=["q8", "q4"], smooth=find)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_did(checkpoint_folder: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "out")
    made = CliRunner().invoke(app, ["convert", str(checkpoint_folder), target, "--smooth"])
    assert made.exit_code == 0, made.output
    assert "smoothed: " in made.stderr
    shown = CliRunner().invoke(app, ["inspect", target, "--json"])
    assert json.loads(shown.stdout)["smooth"] is True
