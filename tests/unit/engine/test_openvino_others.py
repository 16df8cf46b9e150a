"""OpenVINO models in the forms in which others export them: heads of two answers or one, of the last token only."""

import json
import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops
from typer.testing import CliRunner

from yesrank import Reranker
from yesrank.checkpoint import Checkpoint
from yesrank.cli.main import app
from yesrank.errors import UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.store import Entry, Store, take_in
from yesrank.verify import verify

QUERY, DOCUMENTS = "What is a licence?", ["A licence lets you copy.", "It rains.", "yes or no"]


def logits(folder: Path, **options: str) -> np.ndarray:
    with Reranker(folder, **options) as reranker:
        return np.asarray(reranker.predict([(QUERY, text) for text in DOCUMENTS], activation="identity"))


def foreign(source: Path, target: Path, form: str, checkpoint: Checkpoint) -> Path:
    """A copy without a manifest, whose logits are of that form."""
    shutil.copytree(source, target)
    for name in ("yesrank.json", "head.safetensors", "openvino_model.xml", "openvino_model.bin"):
        (target / name).unlink()
    model = ov.Core().read_model(source / "openvino_model.xml")
    [result] = model.get_results()
    product = result.input_value(0).get_node()
    yes, no = open_model(checkpoint.folder).answers
    hidden, matrix = product.input_value(0), product.input_value(1)
    ids = ops.constant(np.array([no, yes]))
    rows = checkpoint.output_rows([no, yes])
    if form == "rows as a constant":
        end = ops.matmul(hidden, ops.constant(rows), False, True)
    elif form == "rows picked from the vocabulary":
        end = ops.matmul(hidden, ops.gather(matrix, ids, ops.constant(0)), False, True)
    elif form == "logits picked from the vocabulary's":
        end = ops.gather(product, ids, ops.constant(2))
    elif form == "one label of the last token":
        every = ops.matmul(hidden, ops.constant(rows[1:] - rows[:1]), False, True)
        end = ops.gather(every, ops.constant(-1), ops.constant(1))
    else:
        end = ops.softmax(product, 2)
    end.output(0).set_names({"logits"})
    model.remove_result(result)
    model.add_results([ops.result(end)])
    model.validate_nodes_and_infer_types()
    ov.save_model(model, target / "openvino_model.xml", compress_to_fp16=False)
    return target


FORMS = (
    "rows as a constant",
    "rows picked from the vocabulary",
    "logits picked from the vocabulary's",
    "one label of the last token",
)


@pytest.mark.parametrize("form", FORMS)
def test_heads_of_answers(
    form: str, folders: dict[str, Path], checkpoint_folder: Path, tmp_path: Path
) -> None:
    folder = foreign(folders["bf16"], tmp_path / "foreign", form, Checkpoint(checkpoint_folder))
    exact = logits(checkpoint_folder, engine="reference")
    assert logits(folder, precision="f32") == pytest.approx(exact, abs=1e-3)
    assert verify(folder, checkpoint_folder, precision="f32", prompts=3).passed


@pytest.mark.parametrize(("weights", "kind"), [("bf16", "bf16"), ("int8", "int8"), ("int4", "int4")])
def test_verify_allows_the_error_of_the_weights_that_are_there(
    weights: str, kind: str, folders: dict[str, Path], checkpoint_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders[weights], tmp_path / "foreign"))
    for name in ("yesrank.json", "head.safetensors"):
        (folder / name).unlink()
    report = verify(folder, checkpoint_folder, precision="f32", prompts=3)
    assert report.weights == kind
    assert report.passed


def test_a_cache_that_is_taken_as_inputs_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["bf16"], tmp_path / "foreign"))
    (folder / "yesrank.json").unlink()
    model = ov.Core().read_model(folders["bf16"] / "openvino_model.xml")
    past = ops.parameter([-1, 2, -1, 32], ov.Type.f32, name="past_key_values.0.key")
    past.output(0).set_names({"past_key_values.0.key"})
    beams = next(each for each in model.get_parameters() if each.get_friendly_name() == "beam_idx")
    beams.output(0).set_names({"other"})
    ov.save_model(
        ov.Model(model.get_results(), model.get_sinks(), [*model.get_parameters(), past]), folder / "x.xml"
    )
    for end in ("xml", "bin"):
        (folder / f"x.{end}").replace(folder / f"openvino_model.{end}")
    with pytest.raises(UnsupportedModel, match="takes its cache as inputs") as caught:
        Reranker(folder)
    assert "without stateful=False" in str(caught.value.hint)


def test_what_cannot_be_run_is_told_alike(
    folders: dict[str, Path], checkpoint_folder: Path, tmp_path: Path
) -> None:
    """By whoever loads it, by inspect, and by add."""
    folder = foreign(folders["bf16"], tmp_path / "foreign", "probabilities", Checkpoint(checkpoint_folder))
    with pytest.raises(UnsupportedModel) as loaded:
        Reranker(folder)
    shown = CliRunner().invoke(app, ["inspect", str(folder), "--json"])
    assert json.loads(shown.stdout)["problems"] == [loaded.value.message]
    with pytest.raises(UnsupportedModel) as added:
        take_in(Store(tmp_path / "names.toml"), Entry("model", folder), str(folder))
    assert added.value.message == loaded.value.message
