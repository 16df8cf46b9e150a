"""GGUF files as a source. tests/parity has llama.cpp run and quantise the same files."""

import json
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf_models import TEMPLATE, write_gguf
from random_models import CONFIG
from tokenizers import Tokenizer

from yesrank import Reranker, qwen3
from yesrank.asking import asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert, convert_onnx
from yesrank.errors import CheckpointError, ModelError, UnsupportedModel
from yesrank.randomweights import write_random_checkpoint
from yesrank.sources.gguf import GgufFile
from yesrank.sources.ggufmeta import tokenizer_of
from yesrank.verify import verify

QUERY, DOCUMENTS = (
    "What is a licence?",
    ["A licence lets you copy.", "It rains. Il pleut, déjà.", "yes or no"],
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Checkpoint:
    """Rows of a multiple of 256 weights, as the K types need them, and an output embedding of its own."""
    folder = tmp_path_factory.mktemp("source")
    config = replace(CONFIG, hidden_size=256, intermediate_size=512, head_dim=64, tie_word_embeddings=False)
    write_random_checkpoint(folder, config, seed=3)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    return Checkpoint(folder)


def logits(path: Path, **options: str) -> np.ndarray:
    with Reranker(path, **options) as reranker:
        return np.asarray(reranker.predict([(QUERY, text) for text in DOCUMENTS], activation="identity"))


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("ranks", [True, False])
def test_it_scores_as_what_it_was_made_from(
    kind: str, ranks: bool, source: Checkpoint, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "model.gguf", source, kind, ranks=ranks)
    checkpoint = Checkpoint(path)
    assert checkpoint.config == replace(source.config, labels=2 if ranks else 0)
    assert logits(path, engine="reference") == pytest.approx(
        logits(source.path, engine="reference"), abs=1e-4
    )


@pytest.mark.parametrize("kind", ["Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
def test_quantised_matrices_are_those_that_were_rounded(
    kind: str, source: Checkpoint, tmp_path: Path
) -> None:
    tensors = GgufFile(write_gguf(tmp_path / "model.gguf", source, kind))
    bits = int(kind[1])
    for name in qwen3.tensors(source.config):
        expected, found = source.float32(name), tensors.tensor(name)
        largest = np.abs(expected).max() if kind.endswith("0") else np.ptp(expected)
        assert np.abs(found - expected).max() <= (
            0 if expected.ndim == 1 else largest / 2 ** (bits - 1) * 1.01
        )
        assert np.array_equal(tensors.rows(name, 3, 7), found[3:7])
    assert tensors.kinds[kind] == 2 + 7 * CONFIG.num_hidden_layers


def test_it_is_converted(source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", source, "Q8_0")
    expected = logits(path, engine="reference")
    convert(path, tmp_path / "openvino", weights="bf16")
    assert logits(tmp_path / "openvino", precision="f32") == pytest.approx(expected, abs=0.02)
    convert_onnx(path, tmp_path / "onnx", variants=["fp32"])
    assert logits(tmp_path / "onnx") == pytest.approx(expected, abs=1e-3)
    assert verify(tmp_path / "openvino", path, prompts=2).passed
    manifest = json.loads((tmp_path / "openvino" / "yesrank.json").read_text())
    assert manifest["source"]["name"] == "model.gguf"
    assert [*manifest["source"]["files"]] == ["model.gguf"]


def test_the_tokenizer_is_the_one_it_was_made_from(
    tokenizer_json: str, source: Checkpoint, tmp_path: Path
) -> None:
    """Of the tests' own, and of the published one where it is at hand."""
    content = json.loads(tokenizer_json)
    size = len(content["model"]["vocab"]) + len(content["added_tokens"]) + 5  # rows that no token has
    config = replace(CONFIG, vocab_size=size, num_hidden_layers=1)
    write_random_checkpoint(tmp_path, config)
    path = write_gguf(tmp_path / "model.gguf", Checkpoint(tmp_path), tokenizer=tokenizer_json)
    made = Tokenizer.from_str(json.dumps(tokenizer_of(path, GgufFile(path).metadata)))
    given = Tokenizer.from_str(tokenizer_json)
    assert made.get_vocab() == given.get_vocab()
    texts = [
        TEMPLATE,
        "Ünïcodé e\u0301 \r\n\n  x=1234;\t'LL don't",
        "日本語 한국어 العربية 🎉",
        "a<think>b</think> <|im_end|>",
    ]
    for text in texts:
        assert made.encode(text).ids == given.encode(text).ids


def test_a_tokenizer_that_cannot_be_rebuilt_has_to_be_given(source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "model.gguf", source, change=lambda writer: writer.add_tokenizer_pre("llama-bpe")
    )
    with pytest.raises(UnsupportedModel, match="llama-bpe") as caught:
        Checkpoint(path)
    assert "--tokenizer" in str(caught.value.hint)
    assert Checkpoint(path, tokenizer=source.path).config.vocab_size == CONFIG.vocab_size


def test_a_tokenizer_of_another_model_is_refused(source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", source)
    content = json.loads((source.path / "tokenizer.json").read_text())
    vocab = content["model"]["vocab"]
    vocab["yes"], vocab["no"] = vocab["no"], vocab["yes"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="is of another model than"):
        Checkpoint(path, tokenizer=tmp_path)


def test_what_it_lacks_is_said(source: Checkpoint, tmp_path: Path) -> None:
    whole = Checkpoint(write_gguf(tmp_path / "whole.gguf", source, "Q8_0"))
    assert len(whole.notes) == 1
    assert "23 Q8_0" in whole.notes[0]
    bare = Checkpoint(write_gguf(tmp_path / "bare.gguf", source, ranks=False))
    assert "no cls.output.weight" in bare.notes[0]
    assert "no rerank template" in bare.notes[1]


def test_its_template_is_followed_or_refused(source: Checkpoint, tmp_path: Path) -> None:
    own = TEMPLATE.replace(
        "Given a web search query, retrieve relevant passages that answer the query", "Find it"
    )
    asked = asking_of(Checkpoint(write_gguf(tmp_path / "own.gguf", source, template=own)).folder)
    assert (asked.template.name, asked.instruction) == ("card", "Find it")
    wrong = Checkpoint(write_gguf(tmp_path / "wrong.gguf", source, template="{query} [SEP] {document}"))
    with pytest.raises(UnsupportedModel, match="rerank template is not one"):
        asking_of(wrong.folder)
    assert asking_of(wrong.folder, "card").template.name == "card"


def test_labels_in_another_order_are_heard(source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "model.gguf",
        source,
        change=lambda writer: writer.add_classifier_output_labels(["no", "yes"]),
    )
    assert asking_of(Checkpoint(path).folder).answers == (1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda writer: writer.add_pooling_type(gguf.PoolingType.LAST), "is an embedding model"),
        (lambda writer: writer.add_type("adapter"), "'adapter', not a Qwen3"),
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR), "'linear', which is not"),
        (
            lambda writer: (
                writer.add_rope_scaling_type(gguf.RopeScalingType.YARN),
                writer.add_rope_scaling_factor(4.0),
                writer.add_rope_scaling_attn_factors(0.5),
            ),
            "attn_factor, which is not implemented",
        ),
        (lambda writer: writer.add_uint16("split.count", 3), "one part of 3"),
    ],
)
def test_what_cannot_be_read_is_refused(change, message: str, source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", source, change=change, ranks="embedding" not in message)
    with pytest.raises(UnsupportedModel, match=message):
        Checkpoint(path)


def test_yarn_is_heard(source: Checkpoint, tmp_path: Path) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(1024)

    yarn = Checkpoint(write_gguf(tmp_path / "model.gguf", source, change=change)).config.yarn
    assert yarn is not None
    assert (yarn.factor, yarn.original_max_position_embeddings) == (4.0, 1024)


def test_another_tensor_is_refused(source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", source, extra={"rope_freqs.weight": np.ones(32, np.float32)})
    with pytest.raises(UnsupportedModel, match=r"holds a tensor rope_freqs\.weight"):
        Checkpoint(path)


def test_a_damaged_file_is_told(source: Checkpoint, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", source)
    data = path.read_bytes()
    for content in (data[: len(data) // 2], data[:100], b"no model at all"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cut short"):
            Checkpoint(path)
    with pytest.raises(ModelError, match="there is no file"):
        Checkpoint(tmp_path / "absent.gguf")


def test_a_folder_with_one_file_is_that_file(source: Checkpoint, tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", source)
    assert Checkpoint(tmp_path).files == (tmp_path / "a.gguf",)
    write_gguf(tmp_path / "b.gguf", source)
    with pytest.raises(UnsupportedModel, match=r"holds 2 GGUF files: a\.gguf, b\.gguf"):
        Checkpoint(tmp_path)
