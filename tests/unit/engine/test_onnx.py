"""The ONNX engine against the reference engine, on the same weights: graphs as others publish them."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from exported_graphs import HEADS, past_names, write_exported
from random_models import CONFIG, request

from yesrank.checkpoint import Checkpoint
from yesrank.engine.onnx import engine as onnx_engine
from yesrank.engine.onnx import open_engine, variants_of
from yesrank.engine.onnx.engine import OnnxEngine
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import EngineError, InputError, ModelError, ModelNotFound, UnsupportedModel
from yesrank.types import FloatArray, Prompt

SHAPES = {
    "plain": {},
    "without-cache": {"cache": False},
    "last-logits": {"keep": True},
    "external": {"external": "model.onnx_data"},
}


@pytest.fixture(scope="session")
def checkpoint(checkpoint_folder: Path) -> Checkpoint:
    return Checkpoint(checkpoint_folder)


@pytest.fixture(scope="session")
def judge(checkpoint: Checkpoint) -> ReferenceEngine:
    return ReferenceEngine(checkpoint)


@pytest.fixture
def exported(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    return export(checkpoint, tmp_path)


def export(checkpoint: Checkpoint, folder: Path, **options: object) -> Path:
    """A folder with one exported graph and the config."""
    write_exported(folder, checkpoint, **options)  # type: ignore[arg-type]
    (folder / "config.json").write_bytes((checkpoint.folder / "config.json").read_bytes())
    return folder


def errors(found: FloatArray, expected: FloatArray) -> FloatArray:
    """Relative error of each row."""
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_is_the_reference(checkpoint, judge, mixed, tmp_path: Path, shape: str) -> None:
    engine = open_engine(export(checkpoint, tmp_path, **SHAPES[shape]))
    assert (engine.info.engine, engine.info.precision, engine.info.device) == ("onnx", "fp32", "CPU")
    assert errors(engine.encode(mixed), judge.encode(mixed)).max() < 1e-5
    assert np.allclose(engine.output_rows([3, 900]), judge.output_rows([3, 900]), atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_the_head_is_cut_off_and_its_rows_are_read(checkpoint, judge, tmp_path: Path, head: str) -> None:
    """The rows give the logits that onnxruntime computes from the uncut graph."""
    folder = export(checkpoint, tmp_path, head=head)
    engine = open_engine(folder)
    [prompt] = request(1, 0, [30])
    hidden = engine.encode([prompt])
    assert errors(hidden, judge.encode([prompt])).max() < 1e-5
    rows = engine.output_rows(range(200))
    whole = full_logits(folder, prompt)[:200]
    close = 0.03 if head in ("integer", "fused") else 2e-3  # where the activations are quantised too
    assert np.abs(hidden[0] @ rows.T - whole).max() < close * np.abs(whole).max()
    exact = judge.output_rows(range(200))
    assert np.abs(rows - exact).max() < (0.2 if head == "block" else 0.02) * np.abs(exact).max()


def full_logits(folder: Path, prompt: Prompt) -> FloatArray:
    ids = np.array([prompt.ids])
    feeds: dict[str, np.ndarray] = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "position_ids": np.arange(ids.shape[1])[None],
    }
    nothing = np.zeros((1, CONFIG.num_key_value_heads, 0, CONFIG.head_dim), np.float32)
    feeds |= dict.fromkeys(past_names(CONFIG), nothing)
    session = ort.InferenceSession(folder / "onnx" / "model.onnx")
    logits: FloatArray = session.run(["logits"], feeds)[0]
    return logits[0, -1]


def test_the_vocabulary_matrix_is_not_loaded(checkpoint, tmp_path: Path) -> None:
    engine = open_engine(export(checkpoint, tmp_path, head="block"))
    whole = sum(file.bytes for file in variants_of(tmp_path))
    matrix = CONFIG.vocab_size * CONFIG.hidden_size // 2
    assert engine.info.weights_bytes < whole - matrix


def test_long_prompts_run_in_slices(exported, judge, mixed, monkeypatch) -> None:
    monkeypatch.setattr(onnx_engine, "CALL_TOKENS", 64)
    monkeypatch.setattr(onnx_engine, "PREFIX_BYTES", 0)
    monkeypatch.setattr(onnx_engine, "SHRINK_TOKENS", 100)
    lengths = count_tokens(monkeypatch)
    engine = open_engine(exported)
    for _ in range(2):
        assert errors(engine.encode(mixed), judge.encode(mixed)).max() < 1e-5
    assert max(lengths) == 64


def test_attention_scores_bound_a_call(exported, judge, monkeypatch) -> None:
    monkeypatch.setattr(onnx_engine, "SCORES", CONFIG.num_attention_heads * 500 * 100)
    lengths = count_tokens(monkeypatch)
    prompts = request(2, 0, [500])
    engine = open_engine(exported)
    lengths.clear()
    assert errors(engine.encode(prompts), judge.encode(prompts)).max() < 1e-5
    assert lengths == [100] * 5


def test_a_known_prefix_is_not_computed_again(exported, judge, monkeypatch) -> None:
    engine = open_engine(exported)
    lengths = count_tokens(monkeypatch)
    first = request(1, 100, [10, 10, 12])
    engine.encode(first)
    assert lengths == [100, 10, 10, 12]
    lengths.clear()
    again = [Prompt.of((*first[0].ids[:100], 7, 8, 9), 100)]
    assert errors(engine.encode(again), judge.encode(again)).max() < 1e-5
    assert lengths == [3]


def test_prefixes_are_dropped_when_they_take_too_much(exported, monkeypatch) -> None:
    token = 2 * CONFIG.num_hidden_layers * CONFIG.num_key_value_heads * CONFIG.head_dim * 4
    monkeypatch.setattr(onnx_engine, "PREFIX_BYTES", 100 * token)
    engine = open_engine(exported)
    lengths = count_tokens(monkeypatch)
    one, two, three = (request(seed, 40, [1]) for seed in range(3))
    for prompts in (one, two, one, three, one, two):
        engine.encode(prompts)
    assert lengths.count(40) == 4  # one, two, three, and two again


def count_tokens(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all calls from now on."""
    lengths: list[int] = []
    run = OnnxEngine._run
    monkeypatch.setattr(
        OnnxEngine,
        "_run",
        lambda self, ids, *rest, **options: lengths.append(len(ids)) or run(self, ids, *rest, **options),
    )
    return lengths


def test_a_row_does_not_depend_on_its_neighbours(exported, mixed) -> None:
    engine = open_engine(exported)
    alone = np.concatenate([engine.encode([prompt]) for prompt in mixed])
    assert (engine.encode(mixed) == alone).all()


def test_nothing_to_do_and_progress(exported, mixed) -> None:
    engine = open_engine(exported)
    done: list[int] = []
    assert engine.encode([]).shape == (0, CONFIG.hidden_size)
    engine.encode(mixed, done.append)
    assert sum(done) == len(mixed)


def test_an_interrupted_call_leaves_the_engine_usable(exported, judge, mixed) -> None:
    engine = open_engine(exported)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.encode(mixed, stop)
    assert errors(engine.encode(mixed), judge.encode(mixed)).max() < 1e-5


def test_threads_do_not_mix(exported, judge) -> None:
    engine = open_engine(exported)
    requests = [request(seed, 40, [10, 50, 3]) for seed in range(6)]
    found: dict[int, FloatArray] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: engine.encode(requests[i])})) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, prompts in enumerate(requests):
        assert errors(found[index], judge.encode(prompts)).max() < 1e-5


def test_closed_is_closed(exported) -> None:
    engine = open_engine(exported)
    before = threading.active_count()
    engine.close()
    engine.close()
    assert threading.active_count() < before
    with pytest.raises(EngineError, match="closed"):
        engine.encode([Prompt.of((1,))])
    with pytest.raises(EngineError, match="closed"):
        engine.output_rows([1])


@pytest.mark.parametrize("ids", [(), tuple(range(5)) * 1000])
def test_prompts_outside_the_positions_are_refused(exported, ids) -> None:
    with pytest.raises(InputError, match=r"prompts\[1\]"):
        open_engine(exported).encode([Prompt.of((1,)), Prompt.of(ids)])


def test_ids_outside_the_vocabulary_are_an_error_and_no_end(exported, judge) -> None:
    engine = open_engine(exported)
    with pytest.raises(EngineError, match="onnxruntime failed in a call of 1 tokens"):
        engine.encode([Prompt.of((CONFIG.vocab_size,))])
    assert errors(engine.encode([Prompt.of((1,))]), judge.encode([Prompt.of((1,))])).max() < 1e-5


def test_links_to_another_folder_are_followed(checkpoint, judge, tmp_path: Path) -> None:
    """As in the cache of Hugging Face, whose files are links to their contents."""
    folder = export(checkpoint, tmp_path / "snapshot", external="model.onnx_data")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for path in (folder / "onnx").iterdir():
        path.rename(blobs / path.name[::-1])
        path.symlink_to(Path("../../blobs") / path.name[::-1])
    prompts = request(1, 5, [7])
    assert errors(open_engine(folder).encode(prompts), judge.encode(prompts)).max() < 1e-5


def test_both_engines_may_run_in_one_thread(folders, exported) -> None:
    """In a process of its own: two libraries that set up a processor's matrix tiles in turn can end it."""
    script = f"""
from pathlib import Path
from yesrank.engine.onnx import open_engine
from yesrank.engine.openvino import open_engine as open_openvino
from yesrank.types import Prompt
from onnxruntime.quantization import QuantType, quantize_dynamic
graph = Path({str(exported / "onnx")!r})
quantize_dynamic(graph / "model.onnx", graph / "model_quantized.onnx", op_types_to_quantize=["MatMul"],
                 weight_type=QuantType.QInt8, extra_options={{"DefaultTensorType": 1}})
engines = [open_openvino(Path({str(folders["int8"])!r})), open_engine(Path({str(exported)!r}), variant="q8")]
for round in range(20):
    for engine in engines:
        engine.encode([Prompt.of(tuple(range(round, round + 200)), 50)])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_default_variant_is_the_best_for_a_cpu(exported) -> None:
    graph = exported / "onnx" / "model.onnx"
    for suffix in ("_q4", "_fp16"):
        (graph.parent / f"model{suffix}.onnx").write_bytes(graph.read_bytes())
    assert [file.variant for file in variants_of(exported)] == ["fp32", "q4", "fp16"]
    assert open_engine(exported).info.variant == "fp32"
    assert open_engine(exported, variant="q4").info.variant == "q4"


def test_an_absent_variant_is_named_with_those_that_are_here(exported) -> None:
    with pytest.raises(ModelNotFound, match=r"no variant q4 \(onnx/model_q4.onnx\)\n.*has fp32;"):
        open_engine(exported, variant="q4")
    with pytest.raises(InputError, match=r"variant: 'q5' is not known\n.*q4f16"):
        open_engine(exported, variant="q5")
    (exported / "onnx" / "model.onnx").unlink()
    with pytest.raises(ModelNotFound, match=r"no onnx/model\*\.onnx\n.*--format onnx"):
        open_engine(exported)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("CUDA", "pip install onnxruntime-gpu"),
        ("cuda:1", "pip install onnxruntime-gpu"),
        ("DML", "pip install onnxruntime-directml"),
        ("ABACUS", "use one of: CPU, CUDA"),
    ],
)
def test_an_absent_device_is_named_with_its_package(exported, device: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(exported, device=device)


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.01, 0.0001])
def test_a_file_that_is_cut_short_is_refused(exported, kept: float) -> None:
    path = exported / "onnx" / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ModelError, match=r"cut short, or no ONNX model"):
        open_engine(exported)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"no graph" * 50, "cut short, or no ONNX model"),
        (b"<html>not found</html>" * 50, "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
    ],
)
def test_what_is_no_onnx_file_is_refused(exported, content: bytes, message: str) -> None:
    (exported / "onnx" / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        open_engine(exported)


def test_external_data_is_looked_for(checkpoint, tmp_path: Path) -> None:
    folder = export(checkpoint, tmp_path, external="model.onnx_data")
    data = folder / "onnx" / "model.onnx_data"
    data.write_bytes(data.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"model.onnx_data is cut short"):
        open_engine(folder)
    data.unlink()
    with pytest.raises(ModelError, match=r"model.onnx_data is missing"):
        open_engine(folder)


@pytest.mark.parametrize("location", ["../model.onnx_data", "/etc/passwd"])
def test_external_data_outside_the_folder_is_refused(checkpoint, tmp_path: Path, location: str) -> None:
    folder = export(checkpoint, tmp_path, external="model.onnx_data")
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save(model, path)
    with pytest.raises(ModelError, match="outside"):
        open_engine(folder)


def changed(folder: Path, change) -> Path:
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    return folder


def test_graphs_that_are_no_decoders_are_refused(checkpoint, tmp_path: Path) -> None:
    def other_input(graph: onnx.GraphProto) -> None:
        graph.input[0].name = "pixel_values"

    def no_product(graph: onnx.GraphProto) -> None:
        graph.node[-1].op_type = "Softmax"

    def no_presents(graph: onnx.GraphProto) -> None:
        del graph.output[1:]

    with pytest.raises(UnsupportedModel, match="inputs pixel_values"):
        open_engine(changed(export(checkpoint, tmp_path / "1"), other_input))
    with pytest.raises(UnsupportedModel, match="matrix product"):
        open_engine(changed(export(checkpoint, tmp_path / "2"), no_product))
    with pytest.raises(UnsupportedModel, match=r"no output present\."):
        open_engine(changed(export(checkpoint, tmp_path / "3"), no_presents))


def test_an_operator_that_the_device_lacks_is_named(exported) -> None:
    def unknown(graph: onnx.GraphProto) -> None:
        next(node for node in graph.node if node.op_type == "GroupQueryAttention").op_type = "NewAttention"

    with pytest.raises(
        ModelError, match=r"(?s)cannot run this variant on CPU: .*NewAttention.*another variant"
    ):
        open_engine(changed(exported, unknown))


def test_a_config_of_another_model_is_refused(exported) -> None:
    path = exported / "config.json"
    path.write_text(path.read_text().replace('"num_hidden_layers": 3', '"num_hidden_layers": 4'))
    with pytest.raises(UnsupportedModel, match=r"another model than config\.json: 3 layers"):
        open_engine(exported)
