"""ONNX files in the forms in which others publish them, besides those of test_onnx_folders.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported_graphs import write_exported
from onnx import TensorProto, helper, numpy_helper

from yesrank import Reranker, qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert_onnx
from yesrank.engine.onnx.kinds import kind_of
from yesrank.errors import UnsupportedModel
from yesrank.models.folder import open_model
from yesrank.verify import verify

QUERY, DOCUMENTS = "What is a licence?", ["A licence lets you copy.", "It rains.", "yes or no"]


@pytest.fixture
def exact(checkpoint_folder: Path) -> np.ndarray:
    return logits(checkpoint_folder, engine="reference")


def logits(folder: Path, **options: str) -> np.ndarray:
    with Reranker(folder, **options) as reranker:
        return np.asarray(reranker.predict([(QUERY, text) for text in DOCUMENTS], activation="identity"))


def folder_of(checkpoint_folder: Path, target: Path) -> Path:
    target.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(checkpoint_folder / name, target / name)
    return target


def answers_only(
    path: Path, checkpoint: Checkpoint, *, labels: int, last: bool = True, after: bool = False
) -> None:
    """Changes full logits to those of no and yes, or their difference. last: of the last token only, as [B, labels].

    after: picks them out of the whole vocabulary's, instead of having a small matrix.
    """
    model = onnx.load(path)
    graph = model.graph
    [product] = [node for node in graph.node if node.output[0] == "logits"]
    ids = [open_model(checkpoint.folder).answers[place] for place in (1, 0)]
    if after:
        product.output[0] = "vocabulary"
        graph.initializer.append(numpy_helper.from_array(np.array(ids), "ids"))
        graph.node.append(helper.make_node("Gather", ["vocabulary", "ids"], ["answers"], axis=2))
    else:
        rows = checkpoint.output_rows(ids)
        rows = rows[1:] - rows[:1] if labels == 1 else rows
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(rows.T), "rows"))
        product.input[1], product.output[0] = "rows", "answers"
    index = numpy_helper.from_array(np.array(-1), "last_index")
    graph.initializer.append(index)
    whole = ("Gather", ["answers", "last_index"], {"axis": 1}) if last else ("Identity", ["answers"], {})
    graph.node.append(helper.make_node(whole[0], whole[1], ["logits"], **whole[2]))
    del graph.output[:]
    shape = ["batch_size", labels] if last else ["batch_size", "sequence_length", labels]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape))
    onnx.save(model, path)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("labels", [1, 2])
def test_graphs_with_one_logit_or_two(
    labels: int, last: bool, checkpoint_folder: Path, tmp_path: Path, exact: np.ndarray
) -> None:
    folder, checkpoint = folder_of(checkpoint_folder, tmp_path / "folder"), Checkpoint(checkpoint_folder)
    path = write_exported(folder, checkpoint, "model_yesno.onnx", cache=False)
    answers_only(path, checkpoint, labels=labels, last=last)
    assert open_model(folder).variants == ("yesno-fp32",)
    assert logits(folder) == pytest.approx(exact, abs=1e-4)
    assert verify(folder, checkpoint_folder, variant="yesno-fp32", prompts=3).passed


def test_two_logits_that_are_picked_out_of_a_vocabulary(
    checkpoint_folder: Path, tmp_path: Path, exact: np.ndarray
) -> None:
    folder, checkpoint = folder_of(checkpoint_folder, tmp_path / "folder"), Checkpoint(checkpoint_folder)
    path = write_exported(folder, checkpoint, cache=False)
    answers_only(path, checkpoint, labels=2, after=True)
    assert logits(folder) == pytest.approx(exact, abs=1e-4)


def test_swapped_rows_are_found(checkpoint_folder: Path, tmp_path: Path) -> None:
    folder, checkpoint = folder_of(checkpoint_folder, tmp_path / "folder"), Checkpoint(checkpoint_folder)
    path = write_exported(folder, checkpoint, "model_yesno.onnx", cache=False)
    answers_only(path, checkpoint, labels=2)
    model = onnx.load(path)
    [rows] = [each for each in model.graph.initializer if each.name == "rows"]
    rows.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(rows)[:, ::-1]), "rows"))
    onnx.save(model, path)
    assert not verify(folder, checkpoint_folder, variant="yesno-fp32", prompts=3).passed


def test_a_classifier_by_others(checkpoint_folder: Path, tmp_path: Path, exact: np.ndarray) -> None:
    """As an export of a Qwen3ForSequenceClassification: one logit, and a config.json that says so."""
    folder, checkpoint = folder_of(checkpoint_folder, tmp_path / "folder"), Checkpoint(checkpoint_folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [qwen3.CLASSIFIER]}))
    path = write_exported(folder, checkpoint, cache=False)
    answers_only(path, checkpoint, labels=1)
    assert logits(folder) == pytest.approx(exact, abs=1e-4)
    convert_onnx(checkpoint_folder, tmp_path / "ours", variants=["fp32"], head="seq-cls")
    assert verify(tmp_path / "ours", checkpoint_folder, prompts=3).passed
    for name in ("yesrank.json", "head.safetensors"):
        (tmp_path / "ours" / name).unlink()
    assert logits(tmp_path / "ours") == pytest.approx(exact, abs=1e-4)
    for each in (folder, tmp_path / "ours"):
        assert verify(each, checkpoint_folder, prompts=3).passed


def genai(checkpoint_folder: Path, target: Path) -> Path:
    """A folder as onnxruntime-genai's builder leaves it: genai_config.json, and pasts whose head size is a symbol."""
    folder, checkpoint = folder_of(checkpoint_folder, target), Checkpoint(checkpoint_folder)
    (folder / "config.json").unlink()
    path = write_exported(folder, checkpoint)
    model = onnx.load(path)
    for port in [*model.graph.input, *model.graph.output]:
        if port.name.startswith(("past_key_values", "present")) and port.type.tensor_type.HasField("shape"):
            port.type.tensor_type.shape.dim[3].dim_param = "kv_cache_dim"
    onnx.save(model, folder / "model.onnx")
    shutil.rmtree(folder / "onnx")
    config = checkpoint.config
    decoder = {
        "head_size": config.head_dim,
        "hidden_size": config.hidden_size,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "filename": "model.onnx",
    }
    stated = {
        "type": "qwen3",
        "vocab_size": config.vocab_size,
        "context_length": config.max_position_embeddings,
        "decoder": decoder,
    }
    (folder / "genai_config.json").write_text(json.dumps({"model": stated}))
    return folder


def test_a_folder_of_onnxruntime_genai(checkpoint_folder: Path, tmp_path: Path, exact: np.ndarray) -> None:
    folder = genai(checkpoint_folder, tmp_path / "folder")
    assert logits(folder) == pytest.approx(exact, abs=1e-4)
    assert verify(folder, checkpoint_folder, prompts=3).passed


def test_genai_of_another_model_is_refused(checkpoint_folder: Path, tmp_path: Path) -> None:
    folder = genai(checkpoint_folder, tmp_path / "folder")
    content = json.loads((folder / "genai_config.json").read_text())
    content["model"]["decoder"]["num_key_value_heads"] = 4
    (folder / "genai_config.json").write_text(json.dumps(content))
    with pytest.raises(UnsupportedModel, match="is of another model than"):
        Reranker(folder)


def test_a_graph_that_takes_one_token_after_a_past_runs_without_prefix(
    checkpoint_folder: Path, tmp_path: Path, exact: np.ndarray
) -> None:
    """As float16 graphs of onnxruntime-genai for CPUs: several tokens with a past are an error."""
    folder = folder_of(checkpoint_folder, tmp_path / "folder")
    path = write_exported(folder, Checkpoint(checkpoint_folder))
    model = onnx.load(path)
    graph = model.graph
    # fails where past x (new - 1) is not 0: an index that lies in a table of one
    constants = {
        "zero_index": np.array([0]),
        "one_length": np.array([1]),
        "table": np.array([0.0], np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["new"], start=1, end=2),
        helper.make_node("Shape", ["past_key_values.0.key"], ["past"], start=2, end=3),
        helper.make_node("Sub", ["new", "one_length"], ["more"]),
        helper.make_node("Mul", ["past", "more"], ["refused"]),
        helper.make_node("Gather", ["table", "refused"], ["nothing"], axis=0),
    ]
    for index, node in enumerate(nodes):
        graph.node.insert(index, node)
    [product] = [node for node in graph.node if node.output[0] == "logits"]
    graph.node.insert(
        len(graph.node) - 1, helper.make_node("Add", [product.input[0], "nothing"], ["checked"])
    )
    product.input[0] = "checked"
    onnx.save(model, path)
    with Reranker(folder) as reranker:
        assert "takes one token after a past" in reranker.info.note
    assert logits(folder) == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize(
    ("variant", "kind"),
    [("fp32", "fp32"), ("fp16", "fp16"), ("int8", "int8"), ("q8", "q8"), ("q4", "w4"), ("q4f16", "w4f16")],
)
def test_the_kind_of_a_graph_is_known(
    variant: str, kind: str, checkpoint_folder: Path, tmp_path: Path
) -> None:
    convert_onnx(checkpoint_folder, tmp_path / "out", variants=[variant])
    [path] = (tmp_path / "out" / "onnx").glob("*.onnx")
    assert kind_of(onnx.load(path)) == kind
    with Reranker(tmp_path / "out") as reranker:
        assert (reranker.info.precision, reranker.info.variant) == (variant, variant)


@pytest.mark.parametrize(("level", "kind"), [(0, "w4"), (4, "w4a8")])
def test_a_file_that_is_named_as_another_kind(
    level: int, kind: str, checkpoint_folder: Path, tmp_path: Path
) -> None:
    convert_onnx(checkpoint_folder, tmp_path / "out", variants=["q4"])
    model = onnx.load(tmp_path / "out" / "onnx" / "model_q4.onnx")
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            kept = [each for each in node.attribute if each.name != "accuracy_level"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("accuracy_level", level)])
    folder = folder_of(checkpoint_folder, tmp_path / "folder")
    (folder / "onnx").mkdir()
    onnx.save(model, folder / "onnx" / "model.onnx")
    with Reranker(folder) as reranker:
        info = reranker.info
    assert info.precision == kind
    assert "its weights have 4 bits" in info.note
    assert ("accuracy_level 4" in info.note) == (level == 4)
    assert verify(folder, checkpoint_folder, prompts=3, variant="fp32").passed


def test_a_head_with_a_bias_is_refused(checkpoint_folder: Path, tmp_path: Path) -> None:
    folder, checkpoint = folder_of(checkpoint_folder, tmp_path / "folder"), Checkpoint(checkpoint_folder)
    path = write_exported(folder, checkpoint, "model_yesno.onnx", cache=False)
    answers_only(path, checkpoint, labels=2, last=False)
    model = onnx.load(path)
    [product] = [node for node in model.graph.node if node.output[0] == "answers"]
    product.op_type = "Gemm"
    model.graph.initializer.append(numpy_helper.from_array(np.ones(2, np.float32), "bias"))
    product.input.append("bias")
    onnx.save(model, path)
    with pytest.raises(UnsupportedModel, match="adds a bias"):
        Reranker(folder)
