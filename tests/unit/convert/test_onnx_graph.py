"""The ONNX graphs compute what the reference engine computes, however a batch is padded or continued."""

from pathlib import Path

import numpy as np
import pytest
from onnx_runner import OnnxRunner, padded
from safetensors.numpy import load_file, save_file

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert_onnx
from yesrank.convert.onnx.placed import placed
from yesrank.convert.onnx.variants import VARIANTS
from yesrank.engine.reference import ReferenceEngine
from yesrank.manifest import read_manifest
from yesrank.types import FloatArray, Prompt

EXACT = 1e-5
# mean distance of the logits from the unrounded model's in units of their deviation, on random weights
DRIFT = {"fp32": EXACT, "fp16": 3e-3, "q8": 0.1, "int8": 0.08, "q4": 0.4, "q4f16": 0.4}
LENGTHS = (5, 40, 1, 17, 33)
IDS = [
    np.random.default_rng(index).integers(0, 1000, length).tolist() for index, length in enumerate(LENGTHS)
]


def reference(source: Path, ids: list[list[int]] = IDS) -> tuple[FloatArray, FloatArray]:
    """Hidden states and logits of no and yes."""
    engine = ReferenceEngine(Checkpoint(source))
    hidden = engine.encode([Prompt.of(tuple(each)) for each in ids])
    return hidden, hidden @ engine.output_rows(answers_of(source)).T


def answers_of(source: Path) -> list[int]:
    from yesrank.tokens import PromptEncoder

    encoder = PromptEncoder.from_folder(source)
    return [encoder.answer_id("no"), encoder.answer_id("yes")]


@pytest.fixture(params=["tied", "odd"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["yesno", "full"])
def head(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name, head, onnx_folders) -> Path:
    return onnx_folders(name, head)


@pytest.fixture
def columns(name, head, sources) -> list[int] | None:
    return answers_of(sources[name]) if head == "full" else None


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_padded_batches(variant, side, folder, columns, name, sources) -> None:
    hidden, expected = reference(sources[name])
    runner = OnnxRunner(folder, variant)
    found = runner.last_logits(IDS, side, columns)
    assert found.dtype == np.float32
    assert np.abs(found - expected).mean() <= DRIFT[variant] * expected.std()
    if columns is None:
        state = runner(*padded(IDS, side))["hidden"]
        distance = np.linalg.norm(state - hidden) / np.linalg.norm(hidden)
        assert distance <= DRIFT[variant]
        assert state.dtype == np.float32


def test_every_token_of_the_full_head_is_in_its_place(name, onnx_folders, sources) -> None:
    runner = OnnxRunner(onnx_folders(name, "full"), "fp32")
    alone = [runner(np.array([ids]))["logits"][0] for ids in IDS]
    for side in ("left", "right"):
        batch, mask = padded(IDS, side)
        together = runner(batch, mask)["logits"]
        for row, logits in enumerate(alone):
            assert np.abs(together[row][mask[row] == 1] - logits).max() < EXACT
    prompts = [ids[:3] for ids in IDS if len(ids) >= 3]
    _, expected = reference(sources[name], prompts)
    found = [logits[2, answers_of(sources[name])] for logits in alone if len(logits) >= 3]
    assert np.abs(np.array(found) - expected).max() < EXACT


@pytest.mark.parametrize("split", [1, 25, 39])
def test_a_prefix_is_continued(split, folder, columns, name, sources) -> None:
    runner = OnnxRunner(folder, "fp32")
    ids = np.array([IDS[1]])
    past = runner(ids[:, :split])
    mask = np.ones((1, ids.shape[1]), np.int64)
    found = runner.at_last(runner(ids[:, split:], mask, past)["logits"], mask, columns)
    assert np.abs(found - reference(sources[name])[1][1]).max() < EXACT


@pytest.mark.parametrize("side", ["left"])  # right padding cannot be continued token by token
def test_batches_are_continued_token_by_token(side, folder, columns, name, sources) -> None:
    runner = OnnxRunner(folder, "fp32")
    prompts = [ids for ids in IDS if len(ids) > 2]
    batch, mask = padded([ids[:-2] for ids in prompts], side)
    outputs = runner(batch, mask)
    for step in (-2, -1):
        mask = np.concatenate([mask, np.ones((len(prompts), 1), np.int64)], axis=1)
        outputs = runner(np.array([[ids[step]] for ids in prompts]), mask, outputs)
    found = runner.at_last(outputs["logits"], mask, columns)
    assert np.abs(found - reference(sources[name], prompts)[1]).max() < EXACT


def test_positions_reach_to_the_last(name, onnx_folders, sources) -> None:
    length = 700  # that many has the odd model; the tables are put together from steps of 256
    ids = np.random.default_rng(0).integers(0, 1000, length).tolist()
    found = OnnxRunner(onnx_folders(name, "yesno"), "fp32").last_logits([ids], "left")
    assert np.abs(found - reference(sources[name], [ids])[1]).max() < EXACT


def test_a_row_without_tokens_harms_no_other(name, onnx_folders, sources) -> None:
    batch, mask = padded(IDS, "left")
    batch, mask = np.concatenate([batch, batch[:1]]), np.concatenate([mask, np.zeros_like(mask[:1])])
    found = OnnxRunner(onnx_folders(name, "yesno"), "fp32")(batch, mask)["logits"]
    assert np.isfinite(found).all()
    assert np.abs(found[:-1] - reference(sources[name])[1]).max() < EXACT


def test_only_q8_lets_rows_touch_each_other(onnx_folders) -> None:
    folder = onnx_folders("tied", "yesno")

    def distance(variant: str) -> float:
        runner = OnnxRunner(folder, variant)
        alone = np.concatenate([runner.last_logits([ids], "left") for ids in IDS])
        return float(np.abs(runner.last_logits(IDS, "left") - alone).max())

    assert distance("q8") > 1e-3
    for variant in ("int8", "q4", "fp32"):
        assert distance(variant) < EXACT


@pytest.mark.parametrize("variant", ["fp32", "q4"])
def test_stored_weights_are_what_the_runtime_multiplies_with(variant, name, head, folder, sources, tmp_path):
    """The reference engine, given the weights as decoded here from the file, agrees as it does in float32."""
    tensors = placed(folder / VARIANTS[variant].file)
    config = Checkpoint(sources[name]).config
    weights = {
        each: decoded(tensors, each, shape)
        for each, shape in qwen3.tensors(config).items()
        if each in tensors
    }
    if qwen3.HEAD not in weights and not config.tie_word_embeddings:
        weights[qwen3.HEAD] = load_file(sources[name] / "model.safetensors")[qwen3.HEAD].astype(np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    for file in ("config.json", "tokenizer.json"):
        (tmp_path / file).write_bytes((sources[name] / file).read_bytes())
    hidden, logits = reference(tmp_path)
    runner = OnnxRunner(folder, variant)
    if head == "yesno":
        assert np.abs(runner(*padded(IDS, "left"))["hidden"] - hidden).max() < 10 * EXACT
    else:
        found = runner.last_logits(IDS, "left", answers_of(tmp_path))
        assert np.abs(found - logits).max() < 10 * EXACT


def decoded(tensors, name: str, shape: tuple[int, ...]) -> FloatArray:
    """A tensor of the file as float32 [out, in], by the documented layouts of MatMulNBits."""
    values = np.array(tensors[name].mapped())
    if f"{name}.scale" not in tensors:
        in_rows = len(shape) == 1 or name in (qwen3.EMBEDDING, qwen3.HEAD)
        return values if in_rows else np.ascontiguousarray(values.T)
    scale = np.array(tensors[f"{name}.scale"].mapped())[:, :, None]
    zero_point: np.ndarray | float = 128.0
    if f"{name}.zero_point" in tensors:
        values = np.stack([values & 15, values >> 4], axis=-1).reshape(*values.shape[:2], 32)
        pairs = np.array(tensors[f"{name}.zero_point"].mapped())
        zero_point = np.stack([pairs & 15, pairs >> 4], axis=-1).reshape(len(pairs), -1, 1)
        zero_point = zero_point[:, : values.shape[1]].astype(np.float32)
    wide = (values.astype(np.float32) - zero_point) * scale
    return np.ascontiguousarray(wide.reshape(shape[0], -1)[:, : shape[1]])


@pytest.mark.parametrize("variant", ["fp16", "q4f16"])
def test_large_activations_do_not_overflow_float16(variant, sources, tmp_path) -> None:
    tensors = {
        key: value.astype(np.float32)
        for key, value in load_file(sources["tied"] / "model.safetensors").items()
    }
    large = qwen3.layer_name(0, "mlp.down_proj.weight")
    tensors[large] *= 1.5e5 / np.abs(tensors[large]).max()  # beyond 65504, the largest float16
    (tmp_path / "source").mkdir()
    save_file(tensors, tmp_path / "source" / "model.safetensors")
    for file in ("config.json", "tokenizer.json"):
        (tmp_path / "source" / file).write_bytes((sources["tied"] / file).read_bytes())
    states = ReferenceEngine(Checkpoint(tmp_path / "source")).layer_states(
        [Prompt.of(tuple(ids)) for ids in IDS]
    )
    assert 65504 < np.abs(states).max() < 8 * 65504
    convert_onnx(tmp_path / "source", tmp_path / "model", variants=[variant])
    hidden, _ = reference(tmp_path / "source")
    found = OnnxRunner(tmp_path / "model", variant)(*padded(IDS, "left"))["hidden"]
    assert np.linalg.norm(found - hidden) / np.linalg.norm(hidden) < DRIFT[variant]


def test_the_yesno_graph_holds_no_vocabulary_head(onnx_folders, sources) -> None:
    yesno, full = (onnx_folders("odd", head) for head in ("yesno", "full"))
    table = 1280 * 72 * 4
    smaller = (full / "onnx/model.onnx").stat().st_size - (yesno / "onnx/model.onnx").stat().st_size
    assert 0.95 * table < smaller < 1.05 * table
    manifest = read_manifest(yesno)
    assert manifest is not None and manifest.onnx is not None
    assert manifest.onnx.head == "yesno"


def test_the_interface(onnx_folders) -> None:
    yesno, full = (OnnxRunner(onnx_folders("tied", head), "fp16") for head in ("yesno", "full"))
    cache = [f"{layer}.{part}" for layer in range(2) for part in ("key", "value")]
    past = [f"past_key_values.{each}" for each in cache]
    presents = [f"present.{each}" for each in cache]
    assert set(yesno.inputs) == {"input_ids", "attention_mask", *past}
    assert set(full.inputs) == {"input_ids", "attention_mask", "position_ids", *past}
    assert yesno.outputs == ["logits", "hidden", *presents]
    assert full.outputs == ["logits", *presents]
    assert yesno.inputs["past_key_values.0.key"].shape == ["batch_size", 2, "past_sequence_length", 32]
    assert yesno.cache_dtype is np.float16
