"""A checkpoint of every kind becomes a folder whose logits are those of the reference engine."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import openvino as ov
import pytest
from openvino import _offline_transformations as transformations
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from yesrank import qwen3
from yesrank.checkpoint import Checkpoint
from yesrank.convert import KINDS, convert, convert_onnx
from yesrank.convert.quantize import asymmetric, group_size, symmetric
from yesrank.convert.weights import planned_bytes, stored_kind
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import ConversionError
from yesrank.manifest import check_files, read_manifest
from yesrank.models.reranker import Reranker
from yesrank.qwen3 import Qwen3Config
from yesrank.randomweights import PRESETS, config_json, write_random_checkpoint
from yesrank.types import Prompt
from yesrank.verify import verify

EXACT = {  # nothing rounded on the way
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}
# a padded vocabulary: the tests' tokenizer has about a thousand tokens
TIED = replace(PRESETS["tiny"], vocab_size=1280, hidden_size=128)
UNTIED = replace(TIED, tie_word_embeddings=False, num_key_value_heads=4, intermediate_size=160)
# mean distance of the logits from the unrounded model's, relative to their size
ROUNDING = {"bf16": 1e-4, "f16": 1e-4, "int8": 0.03, "int8-sym": 0.03, "int4": 0.5}

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, small_tokenizer: str) -> Make:
    """Writes a checkpoint that can be converted."""

    def write(config: Qwen3Config = TIED, **options: Any) -> Path:
        folder = tmp_path / "source"
        write_random_checkpoint(folder, config, **options)
        (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
        return folder

    return write


class Runner:
    """A stateful IR with padding, a past and beams."""

    def __init__(self, folder: Path) -> None:
        self.compiled = ov.Core().compile_model(folder / "openvino_model.xml", "CPU", EXACT)
        self.request = self.compiled.create_infer_request()

    def __call__(
        self, ids: np.ndarray, mask: np.ndarray | None = None, *, past: int = 0, beams: Any = None
    ) -> np.ndarray:
        """Logits [B, L, V]. mask covers the past too; past 0 begins anew."""
        if past == 0:
            self.request.reset_state()
        if mask is None:
            mask = np.ones((len(ids), past + ids.shape[1]), np.int64)
        positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)[:, past:]
        inputs = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "beam_idx": np.asarray(range(len(ids)) if beams is None else beams, np.int32),
        }
        return np.array(self.request.infer(inputs)["logits"])


def random_ids(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1000, shape)


def reference_logits(source: Path, ids: np.ndarray) -> np.ndarray:
    """Logits of each row's last token [B, V], by the reference engine."""
    engine = ReferenceEngine(Checkpoint(source))
    hidden = engine.encode([Prompt.of(tuple(row)) for row in ids.tolist()])
    return hidden @ engine.output_rows(range(TIED.vocab_size)).T


def rounded(source: Path, folder: Path, weights: str) -> Path:
    """The checkpoint in float32 with every matrix as the stored form has it."""
    checkpoint, tensors = Checkpoint(source), {}
    for name in qwen3.tensors(checkpoint.config):
        tensors[name] = checkpoint.float32(name)
        if tensors[name].ndim == 2:
            kind = stored_kind(weights, name, tensors[name].shape[1])
            tensors[name] = ROUND.get(kind, np.asarray)(tensors[name])
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    shutil.copy(source / "config.json", folder)
    return folder


def round_u8(weight: np.ndarray, bits: int = 8) -> np.ndarray:
    values, scale, zero_point = asymmetric(weight, bits)
    return (values.astype(np.float32) - zero_point) * scale.astype(np.float16).astype(np.float32)


def round_u4(weight: np.ndarray) -> np.ndarray:
    groups = weight.reshape(len(weight), -1, group_size(weight.shape[1]) or 0)
    return round_u8(groups, 4).reshape(weight.shape)


def round_i8(weight: np.ndarray) -> np.ndarray:
    values, scale = symmetric(weight)
    return values * scale.astype(np.float16).astype(np.float32)


ROUND: dict[str, Callable[[np.ndarray], np.ndarray]] = {"u8": round_u8, "i8": round_i8, "u4": round_u4}


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("config", [TIED, UNTIED], ids=["tied", "untied"])
@pytest.mark.parametrize("weights", KINDS)
def test_logits_are_the_reference_engines(
    weights: str, config: Qwen3Config, make: Make, tmp_path: Path
) -> None:
    source, target = make(config), tmp_path / "target"
    convert(source, target, weights=weights)
    ids = random_ids(3, 17)
    found = Runner(target)(ids)[:, -1]
    assert_close(found, reference_logits(rounded(source, tmp_path / "rounded", weights), ids), 3e-3)
    original = reference_logits(source, ids)
    assert np.linalg.norm(found - original) <= ROUNDING[weights] * np.linalg.norm(original)


@pytest.mark.parametrize("dtype", ["f16", "f32"])
@pytest.mark.parametrize("shards", [1, 3])
def test_other_sources(dtype: str, shards: int, make: Make, tmp_path: Path) -> None:
    source = make(dtype=dtype, shards=shards)
    manifest = convert(source, tmp_path / "target", weights="f16")
    ids = random_ids(2, 9)
    assert_close(Runner(tmp_path / "target")(ids)[:, -1], reference_logits(source, ids), 2e-3)
    assert len(manifest.source_files) == shards


def test_padding_past_and_beams(make: Make, tmp_path: Path) -> None:
    convert(make(), tmp_path / "target")
    run, ids = Runner(tmp_path / "target"), random_ids(3, 12)
    alone = run(ids[:1, 5:])[0]
    mask = np.ones((3, 12), np.int64)
    mask[0, :5] = 0
    assert run(ids, mask)[0, 5:] == pytest.approx(alone, abs=1e-4)
    right = np.concatenate([ids[:, 5:], ids[:, :5]], axis=1)
    mask = np.ones((3, 12), np.int64)
    mask[0, 7:] = 0
    assert run(right, mask)[0, :7] == pytest.approx(alone, abs=1e-4)
    same_start = np.concatenate([np.repeat(ids[:1, :5], 3, axis=0), ids[:, 5:]], axis=1)
    whole = run(same_start)[:, 5:]
    run(ids[:1, :5])
    assert run(ids[:, 5:], past=5, beams=[0, 0, 0]) == pytest.approx(whole, abs=1e-4)


def layer_kinds(compiled: ov.CompiledModel) -> list[str]:
    return [op.get_rt_info()["layerType"].astype(str) for op in compiled.get_runtime_model().get_ops()]


@pytest.mark.parametrize("weights", ["int8", "bf16"])
def test_the_plugin_fuses(weights: str, make: Make, tmp_path: Path) -> None:
    convert(make(), tmp_path / "target", weights=weights)
    kinds = layer_kinds(Runner(tmp_path / "target").compiled)
    layers = TIED.num_hidden_layers
    assert kinds.count("RMS") == 4 * layers + 1
    assert kinds.count("RoPE") == 2 * layers
    assert kinds.count("ScaledDotProductAttention") == layers


def test_the_paged_transformation_accepts_it(make: Make, tmp_path: Path) -> None:
    convert(make(), tmp_path / "target")
    model = ov.Core().read_model(tmp_path / "target" / "openvino_model.xml")
    transformations.paged_attention_transformation(model)
    names = [name for port in model.inputs for name in port.get_names()]
    assert {"input_ids", "position_ids", "past_lens", "subsequence_begins", "block_indices"} <= set(names)
    assert not {"attention_mask", "beam_idx"} & set(names)
    kinds = [op.get_type_name() for op in model.get_ops()]
    assert kinds.count("PagedAttentionExtension") == TIED.num_hidden_layers
    assert len(names) == len(set(names))


def constants(folder: Path) -> dict[str, Any]:
    model = ov.Core().read_model(folder / "openvino_model.xml")
    return {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "Constant"}


def test_the_interface_is_the_published_one(make: Make, tmp_path: Path) -> None:
    convert(make(), tmp_path / "target")
    model = ov.Core().read_model(tmp_path / "target" / "openvino_model.xml")
    ports = {port.get_any_name(): (port.element_type, str(port.partial_shape)) for port in model.inputs}
    assert ports == {
        "input_ids": (ov.Type.i64, "[?,?]"),
        "attention_mask": (ov.Type.i64, "[?,?]"),
        "position_ids": (ov.Type.i64, "[?,?]"),
        "beam_idx": (ov.Type.i32, "[?]"),
    }
    assert model.output("logits").element_type == ov.Type.f32
    assert str(model.output("logits").partial_shape) == f"[?,?,{TIED.vocab_size}]"
    assert {sink.get_variable_id() for sink in model.get_sinks()} == {
        f"past_key_values.{layer}.{part}present.{layer}.{part}"
        for layer in range(2)
        for part in ("key", "value")
    }


def test_bfloat16_is_copied_bit_for_bit(make: Make, tmp_path: Path) -> None:
    source = make()
    convert(source, tmp_path / "target", weights="bf16")
    checkpoint, stored = Checkpoint(source), constants(tmp_path / "target")
    for name, shape in qwen3.tensors(checkpoint.config).items():
        if len(shape) == 2:
            assert np.array_equal(stored[name].data.view(np.uint16), checkpoint.tensor(name).view(np.uint16))


@pytest.mark.parametrize("weights", KINDS)
def test_a_tied_table_is_stored_once(weights: str, make: Make, tmp_path: Path) -> None:
    convert(make(), tmp_path / "target", weights=weights)
    size = (tmp_path / "target" / "openvino_model.bin").stat().st_size
    assert planned_bytes(TIED, weights) <= size <= planned_bytes(TIED, weights) + 10_000
    assert qwen3.HEAD not in constants(tmp_path / "target")


def test_int4_keeps_table_and_head_in_eight_bits(make: Make, tmp_path: Path) -> None:
    convert(make(replace(UNTIED, intermediate_size=200)), tmp_path / "target", weights="int4")
    stored = constants(tmp_path / "target")
    kinds = {name: stored[name].get_element_type() for name in stored if name.endswith("weight")}
    assert kinds[qwen3.EMBEDDING] == kinds[qwen3.HEAD] == ov.Type.u8
    assert kinds["model.layers.0.mlp.up_proj.weight"] == ov.Type.u4
    assert kinds["model.layers.0.mlp.down_proj.weight"] == ov.Type.u8  # no group size divides 200
    assert list(stored["model.layers.0.mlp.up_proj.weight"].get_output_shape(0)) == [200, 1, 128]


def test_the_folder_is_complete(make: Make, tmp_path: Path) -> None:
    source = make()
    (source / "LICENSE").write_text("Apache-2.0")
    manifest = convert(source, tmp_path / "a" / "b", weights="int8", template="chat")
    folder = tmp_path / "a" / "b"
    assert read_manifest(folder) == manifest
    check_files(folder, manifest, hashes=True)
    assert {path.name for path in folder.iterdir()} == {*manifest.files, "yesrank.json"}
    for name in ("config.json", "tokenizer.json", "LICENSE"):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    assert (manifest.weights, manifest.template, manifest.source) == ("int8", "chat", "source")
    assert (manifest.max_length, manifest.limit) == (1024, 1024)
    rows = load_file(folder / "head.safetensors")["yes_no"]
    assert rows.dtype == np.float32
    expected = Checkpoint(source).output_rows([manifest.answers["yes"], manifest.answers["no"]])
    assert np.array_equal(rows, expected)
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert len(modes) == 1  # readable by whoever may read the rest


def test_a_snapshot_names_model_and_revision(make: Make, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--Qwen--Qwen3-Reranker-0.6B" / "snapshots" / "e61197ed"
    snapshot.parent.mkdir(parents=True)
    make().rename(snapshot)
    manifest = convert(snapshot, tmp_path / "target")
    assert (manifest.source, manifest.revision) == ("Qwen/Qwen3-Reranker-0.6B", "e61197ed")


def test_new_and_old_configs_convert_alike(make: Make, tmp_path: Path) -> None:
    source = make()
    convert(source, tmp_path / "old")
    config = config_json(TIED)
    config["rope_parameters"] = {"rope_theta": config.pop("rope_theta"), "rope_type": "default"}
    (source / "config.json").write_text(json.dumps(config))
    convert(source, tmp_path / "new")
    old, new = (tmp_path / name / "openvino_model.bin" for name in ("old", "new"))
    assert old.read_bytes() == new.read_bytes()


def test_progress_grows_to_the_whole(make: Make, tmp_path: Path) -> None:
    calls: list[tuple[int, int, int, int]] = []
    convert(make(), tmp_path / "target", progress=lambda *call: calls.append(call))
    tensors = len(qwen3.tensors(TIED))
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    assert [call[2] for call in calls] == sorted(call[2] for call in calls)
    assert calls[-1][:2] == (tensors, tensors)
    assert calls[-1][2] == calls[-1][3] > 0


def test_values_too_large_for_float16_are_named(make: Make, tmp_path: Path) -> None:
    source = make(dtype="bf16")
    tensors = load_file(source / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][3, 4] = ml_dtypes.bfloat16(1e6)
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(ConversionError, match=r"up_proj\.weight holds values too large for float16"):
        convert(source, tmp_path / "target", weights="f16")
    convert(source, tmp_path / "target", weights="bf16")


def test_the_tokenizer_as_ir(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra tokenizer-ir")
    pytest.importorskip("openvino_tokenizers", reason="needs the extra tokenizer-ir")
    source = make()
    (source / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    manifest = convert(source, tmp_path / "target", tokenizer_ir=True)
    assert {f"openvino_{name}.xml" for name in ("model", "tokenizer", "detokenizer")} <= set(manifest.files)
    text = "What is a <|im_end|> cat? \u00e9t\u00e9 123"
    model = ov.Core().compile_model(tmp_path / "target" / "openvino_tokenizer.xml", "CPU")
    expected = Tokenizer.from_file(str(source / "tokenizer.json")).encode(text).ids
    assert model([text])["input_ids"][0].tolist() == expected


def test_a_head_of_its_own_is_converted_and_config_says_so(checkpoint_folder: Path, tmp_path: Path) -> None:
    """Tied by config.json alone: no part of the conversion may take the embedding in its place."""
    source = tmp_path / "source"
    shutil.copytree(checkpoint_folder, source)
    tensors = load_file(source / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"][::-1].copy()
    save_file(tensors, source / "model.safetensors")
    convert(source, tmp_path / "ir", weights="bf16")
    convert_onnx(source, tmp_path / "onnx", variants=["fp32"], head="full")
    for folder in (tmp_path / "ir", tmp_path / "onnx"):
        assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is False
        for name in ("head.safetensors", "yesrank.json"):  # so that the graph's own rows are read
            (folder / name).unlink()
        with Reranker(folder) as reranker, Reranker(source, engine="reference") as reference:
            found = reranker.rank("a", ["b", "c d e"]).hits
            expected = reference.rank("a", ["b", "c d e"]).hits
        assert [hit.logit for hit in found] == pytest.approx([hit.logit for hit in expected], abs=0.02)
    report = verify(tmp_path / "onnx", source, prompts=1)
    assert report.failures == ()
