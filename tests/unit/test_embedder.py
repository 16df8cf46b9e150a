"""The embedder: texts in, vectors out, against the reference engine and against what is asked of it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from embedding_models import END, QUERY_PROMPT, write, write_embedder
from tokenizers import Tokenizer

from yesrank import Embedder
from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert, convert_onnx
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import EngineError, InputError, ModelNotFound
from yesrank.types import Prompt

TEXTS = ["The licence says what you may do.", "", "yes", "a b " * 90, "天気予報 😀", "The licence " * 40]
WEIGHTS = {"bf16": 0.9995, "int8": 0.999, "int4": 0.93}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    return write_embedder(tmp_path_factory.mktemp("embedder") / "Tiny-Embedding", small_tokenizer)


@pytest.fixture(scope="module")
def expected(source: Path, small_tokenizer: str) -> np.ndarray:
    """By the recipe of the model card, with nothing of ours but the reference engine."""
    tokenizer = Tokenizer.from_str(small_tokenizer)
    end = tokenizer.token_to_id(END)
    prompts = [Prompt.of((*tokenizer.encode(text, add_special_tokens=False).ids, end)) for text in TEXTS]
    hidden = ReferenceEngine(Checkpoint(source, decoder_only=True)).encode(prompts)
    return hidden / np.linalg.norm(hidden, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "bf16"
    convert(source, target, weights="bf16")
    return target


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Iterator[Embedder]:
    with Embedder(folder, precision="f32") as opened:
        yield opened


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_vectors_are_those_of_the_model_card(
    weights: str, tied: bool, expected: np.ndarray, tmp_path: Path, small_tokenizer: str
) -> None:
    source = write_embedder(tmp_path / "source", small_tokenizer, tied=tied)
    convert(source, tmp_path / "made", weights=weights)
    with Embedder(tmp_path / "made") as embedder:
        found = embedder.encode(TEXTS)
    assert (found * expected).sum(axis=1).min() > WEIGHTS[weights]
    assert json.loads((tmp_path / "made" / "config.json").read_text())["tie_word_embeddings"] is tied


def test_every_onnx_variant_and_the_reference_agree(
    source: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    with Embedder(source, engine="reference") as embedder:
        assert embedder.encode(TEXTS) == pytest.approx(expected, abs=1e-5)
    convert_onnx(source, tmp_path / "onnx", variants=["all"])
    least = {"fp32": 0.99999, "fp16": 0.9999, "q8": 0.995, "int8": 0.998, "q4": 0.93, "q4f16": 0.93}
    for variant, cosine in least.items():
        with Embedder(tmp_path / "onnx", variant=variant) as embedder:
            found = embedder.encode(TEXTS)
            assert "keeps no keys" not in embedder.info.note
        assert (found * expected).sum(axis=1).min() > cosine, variant


def test_a_query_has_its_task_before_it(embedder: Embedder) -> None:
    plain = embedder.encode_query("What may I do?")
    assert plain.shape == (64,)
    assert plain == pytest.approx(embedder.encode(f"{QUERY_PROMPT}What may I do?"), abs=1e-5)
    other = embedder.encode_query(["What may I do?"], instruction="Find laws")
    assert other[0] == pytest.approx(embedder.encode("Instruct: Find laws\nQuery:What may I do?"), abs=1e-5)
    assert embedder.encode("x", prompt_name="query") == pytest.approx(embedder.encode_query("x"), abs=1e-6)
    assert embedder.encode("x", prompt="Instruct: y\nQuery:") == pytest.approx(
        embedder.encode_query("x", instruction="y"), abs=1e-6
    )
    assert embedder.encode_document("x") == pytest.approx(embedder.encode("x"), abs=1e-6)


def test_a_task_is_not_put_before_a_query_twice(embedder: Embedder) -> None:
    with pytest.warns(UserWarning, match="1 of the queries have an instruction"):
        found = embedder.encode_query(["Instruct: Find laws\nQuery: What?", "What?"])
    assert found[0] == pytest.approx(embedder.encode_query("What?", instruction="Find laws"), abs=1e-6)
    assert found[1] == pytest.approx(embedder.encode_query("What?"), abs=1e-6)
    as_text = embedder.encode_query("Instruct: Find laws\nQuery: What?", as_text=True)
    assert as_text != pytest.approx(found[0], abs=1e-3)


def test_the_default_task_may_be_another(folder: Path, embedder: Embedder) -> None:
    with Embedder(folder, precision="f32", instruction="Find laws", dimensions=32) as other:
        found = other.encode_query("What?")
        assert other.instruction == "Find laws" and other.dimensions == 32
    expected = embedder.encode_query("What?", instruction="Find laws", dimensions=32)
    assert found.shape == (32,) and found == pytest.approx(expected, abs=1e-6)


def test_documents_may_have_titles(embedder: Embedder) -> None:
    found = embedder.encode_document([{"title": "Law", "text": "It is long."}, "It is long."])
    assert found[0] == pytest.approx(embedder.encode("Law It is long."), abs=1e-5)
    assert found[1] == pytest.approx(embedder.encode("It is long."), abs=1e-5)


def test_equal_texts_are_computed_once(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = embedder._engine.encode

    def encode(prompts: list[Prompt], progress: object = None) -> np.ndarray:
        seen.append(len(prompts))
        return original(prompts, progress)  # type: ignore[arg-type]

    told: list[int] = []
    monkeypatch.setattr(embedder._engine, "encode", encode)
    found = embedder.encode(["a", "b", "a", "a"], progress=told.append)
    assert seen == [2] and sum(told) == 4
    assert (found[0] == found[2]).all() and (found[0] == found[3]).all()
    assert found.shape == (4, 64) and embedder.encode([]).shape == (0, 64)


def test_a_long_text_is_cut_and_its_end_token_stays(folder: Path, small_tokenizer: str) -> None:
    with Embedder(folder, precision="f32", max_length=12) as short:
        [prompt] = short.prompts(["word " * 100], short.frame_for("document"))
        with pytest.warns(UserWarning, match="1 of 2 texts were cut to max_length, 12 tokens"):
            found = short.encode(["word " * 100, "word"])
        with pytest.raises(InputError, match="instruction: takes all of the 12 tokens"):
            short.encode_query("x", instruction="word " * 50)
    tokenizer = Tokenizer.from_str(small_tokenizer)
    ids = tokenizer.encode("word " * 100, add_special_tokens=False).ids[:11]
    assert [*prompt.ids] == [*ids, tokenizer.token_to_id(END)] and prompt.truncated
    assert np.isfinite(found).all()


def test_dimensions_and_types(embedder: Embedder) -> None:
    whole = embedder.encode(TEXTS)
    part = embedder.encode(TEXTS, dimensions=48)
    assert part == pytest.approx(whole[:, :48] / np.linalg.norm(whole[:, :48], axis=1)[:, None], abs=1e-6)
    assert embedder.encode(TEXTS, output="int8", dimensions=40).dtype == np.int8
    assert embedder.encode(TEXTS, output="ubinary").shape == (len(TEXTS), 8)
    for wrong in (31, 65):
        with pytest.raises(InputError, match="must be 32 to 64 for this model"):
            embedder.encode("x", dimensions=wrong)
    with pytest.raises(InputError, match="multiple of 8"):
        embedder.encode_query("x", dimensions=33, output="binary")


def test_similarity_is_the_cosine(embedder: Embedder) -> None:
    queries, documents = embedder.encode_query(["a", "b"]), embedder.encode_document(TEXTS)
    found = embedder.similarity(queries, documents)
    assert found.shape == (2, len(TEXTS)) and found == pytest.approx(queries @ documents.T, abs=1e-6)
    assert embedder.similarity(queries[0], documents[0]).shape == (1, 1)
    with pytest.raises(InputError, match="64 and 32 dimensions"):
        embedder.similarity(queries, documents[:, :32])
    with pytest.raises(InputError, match="of the type uint8"):
        embedder.similarity(queries.astype(np.uint8), documents)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.encode_query(["a", " "]), r"queries\[1\]: is empty"),
        (lambda e: e.encode_query("\u200b"), r"queries\[0\]: is empty"),
        (lambda e: e.encode(["a", 3]), r"texts\[1\]: must be a string, not int"),
        (lambda e: e.encode({"a"}), "is a set"),
        (lambda e: e.encode_document([{"title": "a"}]), r"documents\[0\]: has no text"),
        (lambda e: e.encode("a", prompt_name="query", prompt="q"), "prompt: is given beside"),
        (lambda e: e.encode("a", prompt_name="other"), "prompt_name: 'other' is not known"),
        (lambda e: e.encode_query("a", instruction=3), "instruction: must be a string"),
        (lambda e: e.encode("a", output="float"), "output: 'float' is not known"),
        (lambda e: e.frame_for("document", "Find laws"), "instruction: is for queries"),
    ],
)
def test_wrong_arguments_are_named(call, message: str, embedder: Embedder) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call(embedder)


def test_several_threads_get_what_one_gets(embedder: Embedder) -> None:
    expected = {count: embedder.encode(TEXTS[:count]) for count in range(1, 7)}
    found: dict[int, np.ndarray] = {}

    def work(count: int) -> None:
        found[count] = embedder.encode(TEXTS[:count])

    threads = [threading.Thread(target=work, args=(count,)) for count in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[count] == pytest.approx(expected[count], abs=1e-6) for count in expected)


def test_numbers_that_are_none_are_an_error(embedder: Embedder) -> None:
    with pytest.raises(EngineError, match="NaN or infinity for 1 texts"):
        embedder.vectors(np.array([[np.nan] * 64, [1.0] * 64], np.float32))


def test_control_tokens_in_a_text_are_text(embedder: Embedder) -> None:
    [prompt] = embedder.prompts([f"a{END}b"], embedder.frame_for(None))
    assert [*prompt.ids].count(prompt.ids[-1]) == 1


def test_it_must_be_named_and_says_what_it_is(folder: Path, embedder: Embedder) -> None:
    assert repr(embedder).startswith("<Embedder Tiny-Embedding: openvino-paged, CPU, f32, 64 dimensions")
    with pytest.raises(InputError, match="no embedding model comes with yesrank"):
        Embedder(None)  # type: ignore[arg-type]
    with pytest.raises(ModelNotFound):
        Embedder(folder / "not there")
    with pytest.raises(InputError, match="must be 1 to 4096"):
        Embedder(folder, max_length=5000)


def test_a_folder_that_cuts_earlier_is_followed(source: Path, small_tokenizer: str, tmp_path: Path) -> None:
    folder = write_embedder(tmp_path / "source", small_tokenizer)
    write(folder, "sentence_bert_config.json", {"max_seq_length": 16})
    convert(folder, tmp_path / "made")
    with Embedder(tmp_path / "made") as embedder:
        assert embedder.max_length == 16
    with Embedder(tmp_path / "made", max_length=100) as embedder:
        assert embedder.max_length == 100
