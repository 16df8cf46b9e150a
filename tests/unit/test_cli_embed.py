"""The verbs on an embedding model: embed, convert, add, list, inspect, verify, bench; and a reranker in its place."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from embedding_models import write_embedder
from typer.testing import CliRunner, Result

from yesrank import Embedder
from yesrank.cli.main import app
from yesrank.errors import InputError, ModelNotFound, UnsupportedModel, VerificationFailed
from yesrank.manifest import read_manifest
from yesrank.store import Store
from yesrank.verify import examine_embedder, judge_embedder
from yesrank.verify.cases import texts


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    return write_embedder(tmp_path_factory.mktemp("embedder") / "Tiny-Embedding", small_tokenizer)


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "int8"
    assert run("convert", str(source), str(target)).exit_code == 0
    return target


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "models.toml"))
    monkeypatch.setenv("YESRANK_MODELS", str(tmp_path / "models"))
    return tmp_path


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments], input=input, catch_exceptions=False)


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_vectors_come_as_lines_and_as_an_array(folder: Path, tmp_path: Path) -> None:
    with Embedder(folder) as embedder:
        documents = embedder.encode_document(["one text", "another"])
        query = embedder.encode_query("one text", instruction="Find it", dimensions=32)
    model = ("embed", "--model", str(folder))
    found = rows(run(*model, "one text", "another"))
    assert [row["index"] for row in found] == [0, 1]
    assert np.array([row["embedding"] for row in found], np.float32).tolist() == documents.tolist()
    target = tmp_path / "vectors.npy"
    asked = ("--query", "--instruction", "Find it", "--dimensions", "32", "--out", str(target))
    assert run(*model, "one text", *asked).exit_code == 0
    assert np.load(target) == pytest.approx(query[None], abs=1e-6)
    lines = tmp_path / "vectors.jsonl"
    lines_of = ("--file", "--type", "ubinary", "--out", str(lines))
    (tmp_path / "in.jsonl").write_text('{"id": "a", "text": "one text"}\n', encoding="utf-8")
    assert run(*model, str(tmp_path / "in.jsonl"), *lines_of).exit_code == 0
    [row] = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert row["id"] == "a" and len(row["embedding"]) == 8
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "vectors.npy", "vectors.jsonl"}


def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(folder: Path, home: Path) -> None:
    model = ("embed", "--model", str(folder), "text")
    with pytest.raises(InputError, match="instruction: is for queries"):
        run(*model, "--instruction", "Find it")
    with pytest.raises(InputError, match=r"neither \.npy nor \.jsonl"):
        run(*model, "--out", "vectors.csv")
    with pytest.raises(InputError, match="must be 32 to 64"):
        run(*model, "--dimensions", "8")
    with pytest.raises(ModelNotFound, match="no embedding model has a name"):
        run("embed", "text")
    with pytest.raises(UnsupportedModel, match="is a reranker"):
        run("embed", "--model", "builtin", "text")
    with pytest.raises(UnsupportedModel, match="is an embedding model"):
        run("rerank", "--model", str(folder), "query", "text")


def test_a_name_knows_that_it_embeds(source: Path, home: Path) -> None:
    added = run("add", "tiny", "--model-path", str(source), "--weights", "bf16", "--json")
    assert json.loads(added.stdout)["kind"] == "embedding"
    assert Store().default().name == "builtin" and Store().default_embedder().name == "tiny"
    assert len(rows(run("embed", "text"))) == 1
    [entry] = json.loads(run("list", "--json").stdout)["models"][:1]
    assert (entry["name"], entry["kind"]) == ("tiny", "embedding")
    with pytest.raises(InputError, match="the default is what ranks"):
        run("default", "tiny")
    again = run("add", "tiny", "--model-path", str(source), "--weights", "bf16", "--model-type", "embedding")
    assert "there already" in again.stdout
    shown = json.loads(run("inspect", "tiny", "--json").stdout)
    assert (shown["model_type"], shown["dimensions"], shown["end"]) == ("embedding", 64, "<|endoftext|>")
    manifest = read_manifest(Store().get("tiny").path)
    assert manifest is not None and (manifest.kind, manifest.template) == ("embedding", "none")


def test_a_folder_that_does_not_say_it_is_told(
    checkpoint_folder: Path, folder: Path, home: Path, tmp_path: Path
) -> None:
    run("add", "said", "--model-path", str(checkpoint_folder), "--model-type", "embedding")
    assert Store().get("said").kind == "embedding"
    with Embedder("said") as embedder:
        assert embedder.encode("a").shape == (64,)
    with pytest.raises(InputError, match="is an embedding model, not of the kind reranker"):
        run("add", "other", "--model-path", str(folder), "--model-type", "rerank")
    with pytest.raises(InputError, match="template"):
        run(
            "convert",
            str(checkpoint_folder),
            str(tmp_path / "x"),
            "--model-type",
            "embedding",
            "--template",
            "card",
        )
    with pytest.raises(InputError, match="head: is for rerankers"):
        kind = ("--model-type", "embedding", "--format", "onnx", "--head", "full")
        run("convert", str(checkpoint_folder), str(tmp_path / "x"), *kind)


def test_verify_compares_vectors(folder: Path, source: Path, tmp_path: Path) -> None:
    report = json.loads(run("verify", str(folder), "--source", str(source), "--json", "--layers").stdout)
    assert report["passed"] and 0.999 < report["least_cosine"] <= report["mean_cosine"] <= 1.0001
    assert len(report["layers"]) == 4 and report["tokens"] > 500
    assert "not applicable" in report["golden"]["note"]
    shown = run("verify", str(folder), "--source", str(source), "--prompts", "5")
    assert "cosine" in shown.stdout and "verified" in shown.stdout


def test_verify_fails_for_other_weights(folder: Path, small_tokenizer: str, tmp_path: Path) -> None:
    other = write_embedder(tmp_path / "other", small_tokenizer, seed=8)
    with pytest.raises(VerificationFailed, match="vectors agree to a cosine of"):
        run("verify", str(folder), "--source", str(other))


def test_published_similarities_are_compared_where_the_source_is_of_that_size(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no published values for random weights: those of the reference engine stand in for them."""
    golden = {**texts()["embedding"], "shape": {"hidden_size": 64, "num_hidden_layers": 3}}
    monkeypatch.setitem(texts(), "embedding", golden)
    expected = judge_embedder(folder, source)
    wrong = examine_embedder(expected)
    assert not wrong.golden.applies and wrong.golden.reference_error is not None and wrong.passed
    with Embedder(source, engine="reference") as embedder:
        queries = embedder.encode_query(golden["queries"])
        similarities = embedder.similarity(queries, embedder.encode_document(golden["documents"]))
    golden["similarities"] = similarities.tolist()
    right = examine_embedder(expected)
    assert right.golden.applies and right.golden.converted_error is not None
    assert right.golden.reference_error == pytest.approx(0, abs=1e-5)
    assert right.golden.converted_error < 0.05
    golden["model"], golden["similarities"] = source.name, [[1.0, 1.0], [1.0, 1.0]]
    assert any("altered checkpoint" in line for line in examine_embedder(expected).failures)


def test_bench_measures(folder: Path) -> None:
    few = ("--documents", "3", "--words", "5", "--repeat", "1")
    found = json.loads(run("bench", "--model", str(folder), *few, "--json").stdout)
    assert found["documents_per_second"] > 0 and found["latencies"][0]["documents"] == 1
