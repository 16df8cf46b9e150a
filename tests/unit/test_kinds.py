"""What tells an embedding model from a reranker: each sign alone, all of them missing, and two that disagree."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from embedding_models import BESIDE, MODULES, QUERY_PROMPT, appending, write, write_embedder
from safetensors.numpy import load_file, save_file

from yesrank import Embedder, Reranker
from yesrank.convert import convert, convert_onnx
from yesrank.errors import CheckpointError, InputError, UnsupportedModel
from yesrank.kinds import EMBEDDING, RERANKER, appended, kind_named, kind_of
from yesrank.models.folder import kind_in, open_model


@pytest.fixture
def plain(checkpoint_folder: Path, tmp_path: Path) -> Path:
    """As Qwen3-Reranker was published first: nothing says what it is."""
    return Path(shutil.copytree(checkpoint_folder, tmp_path / "plain"))


def with_pooling(folder: Path) -> None:
    write(folder, "modules.json", MODULES)


def with_settings(folder: Path) -> None:
    write(folder, "config_sentence_transformers.json", {"model_type": "SentenceTransformer"})


def with_prompts(folder: Path) -> None:
    write(folder, "config_sentence_transformers.json", {"prompts": {"query": QUERY_PROMPT}})


def with_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    write(folder, "config.json", {**config, "architectures": ["Qwen3Model"]})


def with_bare_tensors(folder: Path, around: str = "") -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({around + name.removeprefix("model."): each for name, each in tensors.items()}, path)


def with_wrapped_tensors(folder: Path) -> None:
    with_bare_tensors(folder, "module.")


def with_end_token(folder: Path) -> None:
    write(folder, "tokenizer.json", appending((folder / "tokenizer.json").read_text(encoding="utf-8")))


SIGNS = [
    (with_pooling, "modules.json runs Pooling"),
    (with_settings, "says SentenceTransformer"),
    (with_prompts, "its prompt for queries"),
    (with_architecture, "Qwen3Model"),
    (with_bare_tensors, "a decoder alone"),
    (with_wrapped_tensors, "a decoder alone"),
    (with_end_token, r"appends <\|endoftext\|>"),
]


@pytest.mark.parametrize(("change", "why"), SIGNS)
def test_each_sign_alone_is_enough(change: Callable[[Path], None], why: str, plain: Path) -> None:
    assert kind_of(plain) is None
    change(plain)
    sign = kind_of(plain)
    assert sign is not None and sign.kind == EMBEDDING
    with pytest.raises(UnsupportedModel, match=why):
        Reranker(plain, engine="reference")
    with Embedder(plain, engine="reference") as embedder:
        assert embedder.encode("a").shape == (64,)


def test_where_nothing_says_it_a_reranker_is_opened_and_an_embedder_asks(plain: Path) -> None:
    Reranker(plain, engine="reference").close()
    with pytest.raises(UnsupportedModel, match=r"nothing in .* tells whether it embeds or ranks"):
        Embedder(plain, engine="reference")
    Embedder(plain, engine="reference", sure=True).close()


def test_a_reranker_is_no_embedder_however_sure_one_is(plain: Path) -> None:
    score = {
        "path": "1_LogitScore",
        "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore",
    }
    write(plain, "modules.json", [MODULES[0], score])
    with_end_token(plain)  # what is said first counts
    with pytest.raises(UnsupportedModel, match=r"is a reranker .*LogitScore"):
        Embedder(plain, engine="reference", sure=True)
    write(plain, "modules.json", [MODULES[0]])
    write(plain, "config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    with pytest.raises(UnsupportedModel, match=r"is a reranker .*CrossEncoder"):
        Embedder(plain, engine="reference", sure=True)


def test_conversion_says_it_once_and_for_all(plain: Path, tmp_path: Path) -> None:
    manifest = convert(plain, tmp_path / "ranks", kind=None)
    assert manifest.kind == RERANKER and "kind" not in manifest.as_dict()
    manifest = convert(plain, tmp_path / "embeds", kind=EMBEDDING)
    assert manifest.kind == EMBEDDING == manifest.as_dict()["kind"]
    with pytest.raises(UnsupportedModel, match=r"its yesrank\.json says so"):
        Reranker(tmp_path / "embeds")
    with pytest.raises(UnsupportedModel, match=r"its yesrank\.json says so"):
        Embedder(tmp_path / "ranks")
    with_end_token(plain)
    assert convert(plain, tmp_path / "ranks all the same", kind=RERANKER).kind == RERANKER
    open_model(tmp_path / "ranks all the same")


def test_a_graph_without_a_manifest_says_it_by_its_outputs(
    plain: Path, tmp_path: Path, small_tokenizer: str
) -> None:
    source = write_embedder(tmp_path / "source", small_tokenizer)
    for name, make in (("openvino", convert), ("onnx", convert_onnx)):
        for what, checkpoint in ((EMBEDDING, source), (RERANKER, plain)):
            folder = tmp_path / f"{name}-{what}"
            options: dict[str, Any] = {} if name == "openvino" else {"variants": ["q8"]}
            make(checkpoint, folder, **options)
            for each in ("yesrank.json", *BESIDE):
                (folder / each).unlink(missing_ok=True)
            write(folder, "tokenizer.json", small_tokenizer)
            sign = kind_in(folder)
            if what == EMBEDDING:
                assert sign is not None and sign.kind == EMBEDDING and "hidden states" in sign.why
            else:  # logits are what a text generator gives, too; two of them are not
                assert (sign and sign.kind) == (RERANKER if name == "onnx" else None)


def test_files_that_cannot_be_read_are_told(plain: Path) -> None:
    for name in ("modules.json", "config_sentence_transformers.json"):
        write(plain, name, "{")
        with pytest.raises(CheckpointError, match=name):
            kind_of(plain)
        (plain / name).unlink()
    write(plain, "tokenizer.json", '{"post_processor": {"type": "TemplateProcessing"}}')
    with pytest.raises(CheckpointError, match="post_processor"):
        appended(plain)
    write(plain, "tokenizer.json", '{"post_processor": {"type": "BertProcessing"}}')
    with pytest.raises(UnsupportedModel, match="BertProcessing"):
        appended(plain)


def test_names_of_kinds() -> None:
    assert (kind_named("rerank"), kind_named("Embedding"), kind_named("emb")) == (
        RERANKER,
        EMBEDDING,
        EMBEDDING,
    )
    with pytest.raises(InputError, match="rerank or embedding"):
        kind_named("vision")
