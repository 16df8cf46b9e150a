"""A model that int8 activations turn to noise is refused, and one that bears them is tried once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from random_models import CONFIG
from safetensors.numpy import load_file, save_file

from yesrank import Reranker, qwen3
from yesrank.convert import convert
from yesrank.errors import InputError
from yesrank.models import engines, rounding
from yesrank.randomweights import write_random_checkpoint
from yesrank.smooth import smoothing


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    """A channel of each norm x 1024, the columns of the next matrices / 1024."""
    folder = tmp_path_factory.mktemp("planted")
    write_random_checkpoint(folder, CONFIG, seed=7)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    file = folder / "model.safetensors"
    stored = load_file(file)
    tensors = {name: value.astype(np.float32) for name, value in stored.items()}
    for layer in range(CONFIG.num_hidden_layers):
        for norm, matrices in (
            ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
            ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
        ):
            tensors[qwen3.layer_name(layer, f"{norm}.weight")][7] *= 1024
            for each in matrices:
                tensors[qwen3.layer_name(layer, f"{each}.weight")][:, 7] /= 1024
    save_file({name: value.astype(stored[name].dtype) for name, value in tensors.items()}, file)
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The precisions that folders are opened with."""
    seen: list[str] = []
    real: Callable = engines.open_openvino
    monkeypatch.setattr(
        engines, "open_openvino", lambda *a, **k: (seen.append(k["precision"]), real(*a, **k))[1]
    )
    return seen


def test_noise_is_refused_with_its_size(planted: Path, tmp_path: Path, opened: list[str]) -> None:
    convert(planted, tmp_path / "out")
    for _ in range(2):
        with pytest.raises(InputError, match=r"int8 activations do not suit this model: .* \d+%.*\n?.*"):
            Reranker(tmp_path / "out", precision="w8a8")
    assert opened == ["auto", "w8a8"], "the second time it is known"
    Reranker(tmp_path / "out", precision="int8").close()


def test_a_smoothed_one_runs_and_is_tried_once(planted: Path, tmp_path: Path, opened: list[str]) -> None:
    convert(planted, tmp_path / "out", smooth=lambda checkpoint: smoothing(checkpoint).factors)
    for _ in range(2):
        Reranker(tmp_path / "out", precision="w8a8").close()
    assert opened == ["auto", "w8a8", "w8a8"]


def test_another_file_is_tried_anew(planted: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    convert(planted, tmp_path / "out")
    with pytest.raises(InputError, match="do not suit"):
        Reranker(tmp_path / "out", precision="w8a8")
    (tmp_path / "out" / "yesrank.json").unlink()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / "out" / name).unlink()
        (tmp_path / "out" / name).write_bytes((folders["int8"] / name).read_bytes())
    Reranker(tmp_path / "out", precision="w8a8").close()


def test_nothing_else_is_tried(folders: dict[str, Path], opened: list[str]) -> None:
    Reranker(folders["int8"]).close()
    assert opened == ["auto"]


def test_between_the_bounds_it_warns() -> None:
    with pytest.warns(UserWarning, match="off by 8% on a few prompts"):
        rounding._check(0.08)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="do not suit"):
        rounding._check(float("nan"))
