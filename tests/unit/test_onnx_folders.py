"""ONNX folders in Reranker, verify, inspect, the store and the command line: ours, and one as others publish them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported_graphs import write_exported
from typer.testing import CliRunner

from yesrank import Reranker
from yesrank.checkpoint import Checkpoint
from yesrank.cli.main import app
from yesrank.convert import convert_onnx
from yesrank.engine.onnx import VARIANTS, open_engine
from yesrank.errors import InputError, MissingExtra, ModelError, ModelNotFound
from yesrank.models.folder import open_model
from yesrank.serve.models.memory import needed_memory
from yesrank.store import Entry, Store, state_of, take_in
from yesrank.verify import examine, judge, verify

DOCUMENTS = ["Paris is the capital.", "", "x " * 50, "Paris is the capital.", "Ελλάδα 北京 🎉", "<|im_end|>"]
# the largest relative error of a logit, in units of a hidden state in no particular direction
BOUNDS = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.3, "q8": 0.4, "q4": 2.0, "q4f16": 2.0}


@pytest.fixture(scope="module")
def converted(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders by their head, with every variant."""
    root = tmp_path_factory.mktemp("onnx")
    for head in ("yesno", "full"):
        convert_onnx(checkpoint_folder, root / head, variants=("all",), head=head)
    return {path.name: path for path in root.iterdir()}


@pytest.fixture(scope="module")
def published(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without manifest and head.safetensors."""
    folder = tmp_path_factory.mktemp("published")
    write_exported(folder, Checkpoint(checkpoint_folder))
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((checkpoint_folder / name).read_bytes())
    return folder


def logits(reranker: Reranker) -> np.ndarray:
    with reranker:
        return reranker.score([("capital?", document) for document in DOCUMENTS]).logits


@pytest.fixture(scope="module")
def exact(checkpoint_folder: Path) -> np.ndarray:
    return logits(Reranker(checkpoint_folder, engine="reference"))


@pytest.mark.parametrize("head", ["yesno", "full"])
@pytest.mark.parametrize("variant", BOUNDS)
def test_every_variant_is_near_the_reference(converted, folders, exact, head: str, variant: str) -> None:
    found = logits(Reranker(converted[head], variant=variant))
    unit = unit_of(converted[head])
    assert np.abs(found - exact).max() < BOUNDS[variant] * unit
    other = logits(Reranker(folders["bf16"], precision="f32"))
    assert np.abs(found - other).max() < BOUNDS[variant] * unit


def unit_of(folder: Path) -> float:
    """The logit of a hidden state of the usual size in no particular direction."""
    with Reranker(folder, variant="fp32") as reranker:
        rows = reranker._rows
        return float(np.linalg.norm(rows[0] - rows[1]))


def test_full_and_yesno_heads_agree(converted) -> None:
    """The same hidden states, though one comes from the graph's own output and one from before the cut."""
    first, second = (logits(Reranker(converted[head], variant="int8")) for head in ("yesno", "full"))
    assert np.allclose(first, second, atol=1e-5)


def test_published_folders_work_without_a_manifest(published, exact) -> None:
    assert np.allclose(logits(Reranker(published)), exact, atol=1e-4)


def test_the_folder_decides_on_the_engine(converted, folders, published) -> None:
    assert Reranker(converted["yesno"]).info.engine == "onnx"
    assert Reranker(folders["int8"]).info.engine.startswith("openvino")
    assert Reranker(converted["yesno"]).info.precision == "int8"
    assert Reranker(published).info.precision == "fp32"
    assert open_model(converted["yesno"]).kind == "onnx"


def test_both_kinds_in_one_folder(folders, converted, tmp_path: Path) -> None:
    """OpenVINO is the default; a variant, or the engine's name, asks for the other."""
    for source in (folders["int8"], converted["yesno"]):
        for path in source.rglob("*"):
            if path.is_file() and path.name != "yesrank.json":
                target = tmp_path / path.relative_to(source)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(path.read_bytes())
    assert Reranker(tmp_path).info.engine == "openvino-paged"
    assert Reranker(tmp_path, engine="onnx").info.precision == "int8"
    assert Reranker(tmp_path, variant="q4").info.precision == "q4"


def test_what_does_not_go_together_is_refused(converted, folders, checkpoint_folder: Path) -> None:
    with pytest.raises(InputError, match=r"precision: .*bf16 cannot be had"):
        Reranker(converted["yesno"], precision="bf16")
    with pytest.raises(InputError, match="variant: only ONNX files have variants"):
        Reranker(converted["yesno"], engine="openvino", variant="q8")
    with pytest.raises(ModelError, match="holds no OpenVINO model, but a model of the kind onnx"):
        Reranker(converted["yesno"], engine="openvino")
    with pytest.raises(ModelNotFound, match=r"no onnx/model\*\.onnx"):
        Reranker(folders["int8"], engine="onnx")
    with pytest.raises(ModelError, match="has not been converted"):
        Reranker(checkpoint_folder)
    with pytest.raises(InputError, match="use one of: openvino, onnx, vllm, reference"):
        Reranker(converted["yesno"], engine="tensorrt")


def copy(source: Path, target: Path, *, without: str = "") -> Path:
    for path in source.rglob("*"):
        if path.is_file() and path.name != without:
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
    return target


def test_a_variant_may_be_absent(converted, tmp_path: Path) -> None:
    """A folder of which only some files were downloaded works with those."""
    folder = copy(converted["yesno"], tmp_path, without="model_q4.onnx")
    assert Reranker(folder, variant="q8").info.precision == "q8"
    with pytest.raises(ModelNotFound, match="no variant q4"):
        Reranker(folder, variant="q4")


def test_a_graph_with_two_logits_has_their_rows(converted, tmp_path: Path) -> None:
    """Without the manifest, which misses head.safetensors, they are read from the graph: no, then yes."""
    folder = copy(converted["yesno"], tmp_path, without="head.safetensors")
    with pytest.raises(ModelError, match=r"head\.safetensors"):
        Reranker(folder)
    (folder / "yesrank.json").unlink()
    assert np.allclose(
        logits(Reranker(folder, variant="fp32")), logits(Reranker(converted["yesno"], variant="fp32"))
    )


def test_verify_knows_each_variant(converted, checkpoint_folder: Path) -> None:
    expected = judge(converted["yesno"], checkpoint_folder, prompts=4)
    assert [*expected.model.variants] == [name for name in VARIANTS if name in BOUNDS]
    errors = {}
    for variant in expected.model.variants:
        report = examine(expected, variant=variant)
        assert report.passed, report.failures
        assert report.engine.precision == variant
        errors[variant] = report.comparison.mean_hidden_error
    assert errors["fp32"] < errors["fp16"] < errors["int8"] < errors["q4"]


def test_verify_finds_altered_weights(published, checkpoint_folder: Path, tmp_path: Path) -> None:
    folder = copy(published, tmp_path)
    path = folder / "onnx" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :: 4001] = b"\x3e" * len(content[len(content) // 2 :: 4001])
    path.write_bytes(content)
    assert not verify(folder, checkpoint_folder, prompts=2).passed


def test_verify_by_layer_is_for_openvino(converted, checkpoint_folder: Path) -> None:
    with pytest.raises(InputError, match="layers"):
        verify(converted["yesno"], checkpoint_folder, variant="fp32", layers=True, prompts=1)


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout


def test_rerank_says_what_ran(converted) -> None:
    code, out = run(
        "rerank", "q", "d", "--model", converted["yesno"], "--engine", "onnx", "--variant", "q4", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert (found["engine"], found["precision"]) == ("onnx", "q4")


def test_verify_shows_every_variant(published, converted, checkpoint_folder: Path) -> None:
    code, out = run("verify", published, "--source", checkpoint_folder, "--prompts", 2, "--json")
    assert code == 0
    assert [each["engine"]["precision"] for each in json.loads(out)["variants"]] == ["fp32"]
    words = ("--source", checkpoint_folder, "--prompts", 2, "--variant", "q8")
    code, out = run("verify", converted["full"], *words)
    assert code == 0
    assert "onnx on CPU, q8" in out
    assert "verified" in out


def test_inspect_describes_every_variant(converted, published) -> None:
    code, out = run("inspect", converted["full"], "--json")
    found = json.loads(out)
    assert code == 0
    assert found["kind"] == "onnx"
    assert found["problems"] == []
    by_name = {each["variant"]: each for each in found["variants"]}
    assert by_name.keys() == BOUNDS.keys()
    assert by_name["q4"]["operators"]["MatMulNBits"] > 0
    assert by_name["q8"]["head"] == "full"
    assert by_name["q8"]["inputs"]["input_ids"] == "int64 [batch_size, sequence_length]"
    assert by_name["fp32"]["layers_cached"] == 3
    code, out = run("inspect", published)
    assert code == 0
    assert "GroupQueryAttention" in out


def test_inspect_names_what_is_wrong(converted, tmp_path: Path) -> None:
    folder = copy(converted["yesno"], tmp_path, without="yesrank.json")
    path = folder / "onnx" / "model_q4.onnx"
    path.write_bytes(path.read_bytes()[:-5000])
    code, out = run("inspect", folder, "--json")
    assert code == 1
    [problem] = json.loads(out)["problems"]
    assert "model_q4.onnx is cut short" in problem


def test_a_name_keeps_engine_and_variant(converted, tmp_path: Path) -> None:
    store = Store(tmp_path / "names.toml")
    entry = take_in(store, Entry("small", tmp_path, engine="onnx", variant="q8"), str(converted["yesno"]))
    again = store.get("small")
    assert (again.engine, again.variant) == (entry.engine, entry.variant) == ("onnx", "q8")
    assert state_of(again).problem is None
    assert again.overridden(variant="q4").engine is None
    assert again.overridden(engine="openvino").variant is None
    assert again.overridden(device="CPU").variant == "q8"


def test_a_name_for_what_is_not_there_is_refused(converted, tmp_path: Path) -> None:
    store = Store(tmp_path / "names.toml")
    with pytest.raises(ModelNotFound, match="no variant bnb4"):
        take_in(store, Entry("small", tmp_path, variant="bnb4"), str(converted["yesno"]))
    with pytest.raises(InputError, match="variant"):
        Entry("small", tmp_path, variant="q5")
    with pytest.raises(InputError, match="engine"):
        Entry("small", tmp_path, engine="torch")
    folder = copy(converted["yesno"], tmp_path / "folder")
    take_in(store, Entry("small", tmp_path, variant="q8"), str(folder))
    (folder / "onnx" / "model_quantized.onnx").unlink()
    problem = state_of(store.get("small")).problem
    assert problem is not None
    assert "model_quantized.onnx" in problem or "no ONNX variant q8" in problem


def test_memory_is_that_of_the_variant(converted) -> None:
    needed = {variant: needed_memory(converted["full"], variant=variant) for variant in ("fp32", "q4")}
    assert needed["fp32"] > needed["q4"] > 0
    assert needed_memory(converted["full"]) == needed_memory(converted["full"], variant="int8")
    assert needed_memory(converted["full"], variant="bnb4") == 0


def test_a_missing_package_names_its_extra(converted, monkeypatch) -> None:
    monkeypatch.setattr("yesrank.engine.onnx.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'yesrank\[onnx\]'"):
        Reranker(converted["yesno"])


def test_onnxruntime_waits_until_it_is_needed() -> None:
    """It is an extra: nothing but an ONNX folder may need it."""
    script = (
        "import sys, yesrank.serve.app, yesrank.verify, yesrank.bench, yesrank.evaluate, yesrank.cli.main\n"
    )
    script += "assert not {'onnx', 'onnxruntime'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_engine_alone_needs_no_manifest(published) -> None:
    assert open_engine(published).info.layers == 3
