"""Vectors beside those of transformers, by the card, and of sentence-transformers; and their exports run here.

Runs in both environments of `make test-parity`: with transformers 4.57 and optimum-intel, with transformers 5.24 and
sentence-transformers 6.2. Imports lie inside the functions.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_models import write_embedder

from parity.models import F32
from parity.texts import DOCUMENTS, QUERY
from yesrank.convert import convert, convert_onnx
from yesrank.models.embedder import Embedder

torch = pytest.importorskip("torch")

TEXTS = [*DOCUMENTS, "", "a", "The licence " * 60]
TASK = "Given a web search query, retrieve relevant passages that answer the query"
# the least cosine with float32 of 3 layers of random weights, 64 wide; bf16 arithmetic rounds as PyTorch's does
LEAST = {"bf16": 0.999, "f16": 0.999, "int8": 0.998, "int8-sym": 0.998, "int4": 0.9}
Make = Callable[[bool], Path]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Make:
    """tied -> the folder of a model as it is published."""

    @cache
    def make(tied: bool) -> Path:
        return write_embedder(tmp_path_factory.mktemp("embedder") / "model", small_tokenizer, tied=tied)

    return make


def card(folder: Path, texts: list[str]) -> np.ndarray:
    """The recipe of the model card, written from it: left padding, the last token's state, normalised."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    batch = tokenizer(texts, padding=True, truncation=True, max_length=8192, return_tensors="pt")
    with torch.no_grad():
        hidden = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    found: np.ndarray = torch.nn.functional.normalize(hidden[:, -1], p=2, dim=1).numpy()
    return found


def sentence_transformer(folder: Path, **options: Any) -> Any:
    transformers = pytest.importorskip("sentence_transformers")
    return transformers.SentenceTransformer(
        str(folder), device="cpu", model_kwargs=options.pop("model_kwargs", {"dtype": "float32"}), **options
    )


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.sum(first * second, axis=1) / norms


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_reference_gives_what_the_model_card_does(tied: bool, source: Make) -> None:
    query = f"Instruct: {TASK}\nQuery:{QUERY}"
    expected = card(source(tied), [query, *TEXTS])
    with Embedder(source(tied), engine="reference") as embedder:
        assert embedder.encode_document(TEXTS) == pytest.approx(expected[1:], abs=2e-5)
        assert embedder.encode_query(QUERY) == pytest.approx(expected[0], abs=2e-5)
        similarity = embedder.similarity(embedder.encode_query([QUERY]), embedder.encode_document(TEXTS))
    assert similarity == pytest.approx(expected[:1] @ expected[1:].T, abs=1e-4)


@pytest.mark.parametrize("weights", LEAST)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_every_kind_of_weights(tied: bool, weights: str, source: Make, tmp_path: Path) -> None:
    expected = card(source(tied), TEXTS)
    convert(source(tied), tmp_path / "made", weights=weights)
    precisions = ["f32", "bf16"] if weights in ("bf16", "f16") else ["f32", "int8"]
    for precision in precisions:
        with Embedder(tmp_path / "made", precision=precision) as embedder:
            found = embedder.encode(TEXTS)
        assert cosines(found, expected).min() > LEAST[weights], precision
        if precision == "f32" and weights == "bf16":  # what is stored is what was published
            assert found == pytest.approx(expected, abs=1e-4)


def test_every_onnx_variant(source: Make, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    expected = card(source(True), TEXTS)
    convert_onnx(source(True), tmp_path / "made", variants=["all"])
    least = {"fp32": 0.99999, "fp16": 0.9999, "q8": 0.99, "int8": 0.997, "q4": 0.9, "q4f16": 0.9}
    for variant, cosine in least.items():
        with Embedder(tmp_path / "made", variant=variant) as embedder:
            assert cosines(embedder.encode(TEXTS), expected).min() > cosine, variant


def test_methods_are_those_of_sentence_transformers(source: Make) -> None:
    theirs = sentence_transformer(source(True))
    documents = [text for text in TEXTS if text]  # it makes a tensor of nothing of a text without tokens
    with Embedder(source(True), engine="reference") as ours:
        queries = ours.encode_query([QUERY, "a"])
        assert queries == pytest.approx(theirs.encode_query([QUERY, "a"]), abs=2e-5)
        found = ours.encode_document(documents)
        assert found == pytest.approx(theirs.encode_document(documents), abs=2e-5)
        assert ours.encode("a", prompt_name="query") == pytest.approx(
            theirs.encode("a", prompt_name="query"), abs=2e-5
        )
        assert ours.encode("a", prompt="Find: ") == pytest.approx(
            theirs.encode("a", prompt="Find: "), abs=2e-5
        )
        assert ours.similarity(queries, found) == pytest.approx(
            theirs.similarity(queries, found).numpy(), abs=1e-5
        )
        cut = theirs.encode(documents, truncate_dim=32, normalize_embeddings=True)
        assert ours.encode(documents, dimensions=32) == pytest.approx(cut, abs=2e-5)
        for kind in ("binary", "ubinary"):
            theirs_bits = theirs.encode(documents, precision=kind)
            ours_bits = ours.encode(documents, output=kind)
            assert ours_bits.dtype == theirs_bits.dtype
            differing = np.unpackbits((ours_bits ^ theirs_bits).view(np.uint8))
            assert differing.mean() < 1e-3  # a component of about 0 may have either sign


def test_long_texts_are_cut_as_sentence_transformers_cuts_them(source: Make) -> None:
    theirs = sentence_transformer(source(True))
    theirs.max_seq_length = 80
    text = "A licence lets you copy the work. " * 20
    with (
        Embedder(source(True), engine="reference", max_length=80) as ours,
        pytest.warns(UserWarning, match="cut to max_length"),
    ):
        found = ours.encode([text, "a"])
        query = ours.encode_query(text)
    assert found == pytest.approx(theirs.encode([text, "a"]), abs=2e-5)
    assert query == pytest.approx(theirs.encode_query(text), abs=2e-5)


def test_what_sentence_transformers_saves_is_read(source: Make, tmp_path: Path) -> None:
    theirs = sentence_transformer(source(False))
    theirs.prompts = {"query": "search: ", "document": "passage: "}
    theirs.save_pretrained(str(tmp_path / "saved"))
    with Embedder(tmp_path / "saved", engine="reference") as ours:
        assert ours.encode_query(["a"]) == pytest.approx(theirs.encode_query(["a"]), abs=2e-5)
        assert ours.encode_document(DOCUMENTS) == pytest.approx(theirs.encode_document(DOCUMENTS), abs=2e-5)


def test_sentence_transformers_runs_our_openvino_folder(source: Make, tmp_path: Path) -> None:
    pytest.importorskip("optimum.intel")
    convert(source(True), tmp_path / "made", weights="bf16")
    expected = card(source(True), [*DOCUMENTS])
    theirs = sentence_transformer(
        tmp_path / "made", backend="openvino", model_kwargs={"ov_config": dict(F32)}
    )
    assert theirs.encode_document([*DOCUMENTS]) == pytest.approx(expected, abs=1e-3)
    query = card(source(True), [f"Instruct: {TASK}\nQuery:{QUERY}"])
    assert theirs.encode_query([QUERY]) == pytest.approx(query, abs=1e-3)


def test_sentence_transformers_runs_our_onnx_folder(source: Make, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("optimum.onnxruntime")
    convert_onnx(source(True), tmp_path / "made", variants=["fp32"])
    theirs = sentence_transformer(
        tmp_path / "made", backend="onnx", model_kwargs={"provider": "CPUExecutionProvider"}
    )
    assert theirs.encode_document([*DOCUMENTS]) == pytest.approx(card(source(True), [*DOCUMENTS]), abs=1e-3)


@pytest.mark.parametrize(
    ("task", "library"),
    [
        ("feature-extraction", "transformers"),
        ("feature-extraction-with-past", "transformers"),
        ("feature-extraction", "sentence_transformers"),
        ("text-generation-with-past", "transformers"),
    ],
)
def test_exports_of_optimum_intel_run_here(task: str, library: str, source: Make, tmp_path: Path) -> None:
    exporters = pytest.importorskip("optimum.exporters.openvino")
    exporters.main_export(str(source(True)), str(tmp_path / "made"), task=task, library_name=library)
    expected = card(source(True), TEXTS)
    with Embedder(tmp_path / "made", precision="f32", sure=True) as embedder:
        assert embedder.info.engine == "openvino-paged"
        assert embedder.encode(TEXTS) == pytest.approx(expected, abs=1e-3)
