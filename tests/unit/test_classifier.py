"""Checkpoints that end in a classifier's head (Qwen3ForSequenceClassification), with one label or two.

tests/parity/test_published.py has transformers save them, and compares the scores.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import CONFIG
from safetensors.numpy import load_file, save_file

from yesrank import Reranker, qwen3
from yesrank.asking import asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert, convert_onnx
from yesrank.errors import InputError, UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.randomweights import write_random_checkpoint
from yesrank.verify import verify

QUERY, DOCUMENTS = "What is a licence?", ["A licence lets you copy.", "It rains.", "yes or no"]
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, small_tokenizer: str) -> Make:
    """(labels, keys of config.json) -> a folder as transformers saves it: the head in float32, the rest in bf16."""

    def made(labels: int, **keys: Any) -> Path:
        folder = tmp_path / f"labels-{labels}"
        write_random_checkpoint(folder, replace(CONFIG, labels=2, tie_word_embeddings=False), seed=7)
        tensors = load_file(folder / "model.safetensors")
        score = 0.3 * np.random.default_rng(labels).standard_normal((labels, CONFIG.hidden_size), np.float32)
        save_file({**tensors, qwen3.SCORE: score}, folder / "model.safetensors")
        config = json.loads((folder / "config.json").read_text()) | keys
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
        return folder

    return made


def expected(folder: Path) -> np.ndarray:
    """Logits by hand: the head over the reference engine's hidden states."""
    score = load_file(folder / "model.safetensors")[qwen3.SCORE]
    with Reranker(folder, engine="reference") as reranker:
        hidden = reranker._engine.encode(reranker.prompts(QUERY, DOCUMENTS))
    return hidden @ (score[-1] - (score[0] if len(score) == 2 else 0))


def logits(folder: Path, **options: Any) -> np.ndarray:
    with Reranker(folder, **options) as reranker:
        return np.asarray(reranker.predict([(QUERY, text) for text in DOCUMENTS], activation="identity"))


@pytest.mark.parametrize("labels", [1, 2])
def test_its_head_gives_the_logit(labels: int, make: Make) -> None:
    folder = make(labels)
    assert logits(folder, engine="reference") == pytest.approx(expected(folder), abs=1e-4)


@pytest.mark.parametrize("labels", [1, 2])
def test_it_is_converted_and_verified(labels: int, make: Make, tmp_path: Path) -> None:
    folder = make(labels)
    for weights, bound in (("bf16", 1e-3), ("int8", 0.3)):
        convert(folder, tmp_path / weights, weights=weights)
        assert open_model(tmp_path / weights).answers == (1, 0)
        assert logits(tmp_path / weights, precision="f32") == pytest.approx(expected(folder), abs=bound)
        assert verify(tmp_path / weights, folder, prompts=3).passed
    convert_onnx(folder, tmp_path / "onnx", variants=["fp32"])
    assert logits(tmp_path / "onnx") == pytest.approx(expected(folder), abs=1e-3)
    assert verify(tmp_path / "onnx", folder, prompts=3).passed


def test_the_head_stays_in_float32(make: Make, tmp_path: Path) -> None:
    import openvino as ov

    folder = make(2)
    convert(folder, tmp_path / "out", weights="int4")
    model = ov.Core().read_model(tmp_path / "out" / "openvino_model.xml")
    [head] = [each for each in model.get_ops() if each.get_friendly_name() == qwen3.SCORE]
    assert np.array_equal(head.data, load_file(folder / "model.safetensors")[qwen3.SCORE])


def test_names_of_labels_say_which_is_yes(make: Make) -> None:
    swapped = make(2, id2label={"0": "yes", "1": "no"})
    assert asking_of(swapped).answers == (0, 1)
    assert logits(swapped, engine="reference") == pytest.approx(-expected(swapped), abs=1e-4)
    assert asking_of(make(2, id2label={"0": "LABEL_0", "1": "LABEL_1"})).answers == (1, 0)
    assert asking_of(make(1, id2label={"0": "LABEL_0"})).answers == (1, 0)
    with pytest.raises(UnsupportedModel, match=r"labels alpha, beta: which of them") as caught:
        open_model(make(2, id2label={"0": "alpha", "1": "beta"}))
    assert "id2label" in str(caught.value.hint)


def test_more_labels_are_no_rerankers(make: Make) -> None:
    with pytest.raises(UnsupportedModel, match="sorts into 5 classes"):
        Checkpoint(make(5))


def test_it_has_no_vocabulary_to_give_logits_of(make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a classifier"):
        convert_onnx(make(1), tmp_path / "out", variants=["fp32"], head="full")
    assert not (tmp_path / "out").exists()


def test_what_sentence_transformers_makes_of_it_is_heard(make: Make) -> None:
    folder = make(1)
    modules = [{"type": "sentence_transformers.base.modules.transformer.Transformer", "path": ""}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsupportedModel, match="asks this model without a template"):
        asking_of(folder)
    assert asking_of(folder, "card").answers == (1, 0)
