"""Checkpoints that end in a classifier's head (Qwen3ForSequenceClassification), with one label or two.

tests/parity/test_published.py has transformers save them, and compares the scores.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import CONFIG
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from yesrank import Reranker, qwen3
from yesrank.asking import asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.cli.main import app
from yesrank.convert import VARIANTS, convert, convert_checkpoint, convert_onnx
from yesrank.errors import InputError, UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.randomweights import write_random_checkpoint
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt
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


def of_model(folder: Path) -> tuple[list[Prompt], np.ndarray]:
    """Prompts and logits of a language model, by the reference engine."""
    with Reranker(folder, engine="reference") as reranker:
        prompts = reranker.prompts(QUERY, DOCUMENTS)
        return prompts, reranker.logits(prompts)


def test_a_language_model_becomes_one(checkpoint_folder: Path, tmp_path: Path) -> None:
    convert_checkpoint(checkpoint_folder, tmp_path / "out", head="seq-cls")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert tensors[qwen3.SCORE].shape == (1, CONFIG.hidden_size)
    assert tensors[qwen3.SCORE].dtype == np.float32
    assert qwen3.HEAD not in tensors
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [qwen3.CLASSIFIER]
    padding = PromptEncoder.from_folder(checkpoint_folder).control_id("<|endoftext|>")
    assert config["pad_token_id"] == padding is not None
    assert logits(tmp_path / "out", engine="reference") == pytest.approx(
        of_model(checkpoint_folder)[1], abs=1e-4
    )


def test_a_plain_checkpoint_is_written_as_it_is_read(
    make: Make, checkpoint_folder: Path, tmp_path: Path
) -> None:
    for number, source in enumerate((checkpoint_folder, make(1), make(2))):
        target = tmp_path / str(number)
        convert_checkpoint(source, target)
        before, after = Checkpoint(source), Checkpoint(target)
        assert after.config == before.config
        for name in qwen3.tensors(before.config):
            assert np.array_equal(after.tensor(name), before.tensor(name))
            assert after.tensor(name).dtype == before.tensor(name).dtype


@pytest.mark.parametrize("variant", ["fp32", "fp16", "int8", "q4"])
def test_an_onnx_file_gives_one_logit_for_padded_batches(
    variant: str, checkpoint_folder: Path, tmp_path: Path
) -> None:
    """As ORTModelForSequenceClassification and CrossEncoder feed it: ids and mask, padded on either side."""
    import onnxruntime

    convert_onnx(checkpoint_folder, tmp_path / "out", variants=[variant], head="seq-cls")
    prompts, expected = of_model(checkpoint_folder)
    bounds = {"fp32": 1e-4, "fp16": 0.03, "int8": 0.3, "q4": 3}
    file = tmp_path / "out" / VARIANTS[variant].file
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == {"input_ids", "attention_mask"}
    longest = max(map(len, prompts)) + 3
    for side in ("left", "right"):
        ids, mask = np.full((len(prompts), longest), 7), np.zeros((len(prompts), longest), np.int64)
        for row, prompt in enumerate(prompts):
            where = slice(longest - len(prompt), None) if side == "left" else slice(0, len(prompt))
            ids[row, where], mask[row, where] = prompt.ids, 1
        [found] = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        assert found.shape == (len(prompts), 1)
        assert found[:, 0] == pytest.approx(expected, abs=bounds[variant])
    assert logits(tmp_path / "out") == pytest.approx(expected, abs=bounds[variant])
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architectures"] == [qwen3.CLASSIFIER]
    with Reranker(tmp_path / "out") as reranker:
        assert "no keys and values" not in reranker.info.note


def test_what_cannot_become_one_is_refused(make: Make, checkpoint_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a classifier already"):
        convert_checkpoint(make(1), tmp_path / "out", head="seq-cls")
    own = Path(shutil.copytree(checkpoint_folder, tmp_path / "own"))
    get = "messages | selectattr('role', 'eq', '{0}') | map(attribute='content') | first"
    template = f"Find it. {{{{ {get.format('query')} }}}} in {{{{ {get.format('document')} }}}}"
    (own / "chat_template.jinja").write_text(template)
    with pytest.raises((InputError, UnsupportedModel)):
        convert_checkpoint(own, tmp_path / "out", head="seq-cls")
    with pytest.raises(InputError, match="use one of: full, seq-cls"):
        convert_checkpoint(checkpoint_folder, tmp_path / "out", head="yesno")
    assert not (tmp_path / "out").exists()


def test_the_command_line_writes_both(checkpoint_folder: Path, tmp_path: Path) -> None:
    for number, format in enumerate(("onnx", "safetensors")):
        target = tmp_path / str(number)
        arguments = ["convert", str(checkpoint_folder), str(target), "--format", format, "--head", "seq-cls"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert open_model(target).kind == ("onnx", "checkpoint")[number]
    wrong = [
        "convert",
        str(checkpoint_folder),
        str(tmp_path / "x"),
        "--format",
        "safetensors",
        "--weights",
        "int8",
    ]
    result = CliRunner().invoke(app, wrong)
    assert "weights: does not go with the format safetensors" in str(result.exception or result.output)
