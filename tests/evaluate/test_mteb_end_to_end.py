"""The mteb adapter, end to end through mteb's own evaluate(), without a network."""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yesrank.errors import InputError, YesrankError
from yesrank.evaluate.benchmarks import BENCHMARKS, run_benchmark, run_tasks, select_tasks
from yesrank.evaluate.mteb_model import MtebReranker, task_instruction

# before mteb: the hub's client reads them when it is imported
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mteb = pytest.importorskip("mteb", reason="mteb is not installed: make test-mteb", exc_type=ImportError)
    import pytrec_eval
    from local_tasks import (
        QUERIES,
        BeirTask,
        InstructionTask,
        bm25,
        metadata,
        write_predictions,
    )
    from mteb.models import CrossEncoderProtocol, EncoderProtocol

pytestmark = pytest.mark.filterwarnings("default")  # those of mteb and its dependencies are theirs
MODEL = "yesrank__yesrank-builtin-3-int8@int8"
COLLECTIONS = Path(__file__).parents[3] / "shared" / "data" / "eval"


@pytest.fixture(scope="module")
def model() -> Iterator[MtebReranker]:
    opened = MtebReranker.open()
    yield opened
    opened.reranker.close()


def beir_task(name: str) -> BeirTask:
    if not (COLLECTIONS / name).is_dir():
        pytest.skip(f"the collection {name} is not at {COLLECTIONS}")
    task = BeirTask()
    task.folder = COLLECTIONS / name
    return task


def reranked_run(output: Path, task: Any) -> dict[str, dict[str, float]]:
    path = output / "reranked" / MODEL / f"{task.metadata.name}_predictions.json"
    run: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))["default"]["test"]
    return run


def mean_ndcg(qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> float:
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    return float(np.mean([found[query]["ndcg_cut_10"] if query in found else 0.0 for query in qrels]))


def test_it_is_a_cross_encoder_and_says_what_it_is(model: MtebReranker) -> None:
    assert isinstance(model, CrossEncoderProtocol)
    assert not isinstance(model, EncoderProtocol)
    meta = model.mteb_model_meta
    assert meta.name == "yesrank/yesrank-builtin-3-int8"
    assert meta.revision
    assert meta.is_cross_encoder
    assert meta.experiment_kwargs["template"] == "chat"
    assert meta.experiment_kwargs["max_length"] == "8192"


@pytest.mark.parametrize("name", ["xquad-en", "cosqa-dev"])
def test_a_plain_collection(name: str, model: MtebReranker, tmp_path: Path) -> None:
    task = beir_task(name)
    run = bm25(task, 15)
    qrels = task.dataset["default"]["test"]["relevant_docs"]
    write_predictions(tmp_path / "bm25", task, run)

    scores, notes, _ = run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out")

    logits = reranked_run(tmp_path / "out", task)
    assert {query: set(found) for query, found in logits.items()} == {
        query: set(found) for query, found in run.items()
    }
    assert notes == []
    assert scores[0].reranked == pytest.approx(100 * mean_ndcg(qrels, logits), abs=0.001)
    assert scores[0].first_stage == pytest.approx(100 * mean_ndcg(qrels, run), abs=0.001)
    texts = {row["id"]: row["text"].strip() for row in task.dataset["default"]["test"]["corpus"]}
    titles = {row["id"]: row["title"] for row in task.dataset["default"]["test"]["corpus"]}
    row = task.dataset["default"]["test"]["queries"][0]
    documents = [f"{titles[key]} {texts[key]}".strip() for key in run[row["id"]]]
    own = model.reranker.score(
        [(row["text"], document) for document in documents], instruction=scores[0].instruction
    )
    np.testing.assert_allclose(list(logits[row["id"]].values()), own.logits, atol=0.05)


def test_an_instruction_task(model: MtebReranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = InstructionTask()
    write_predictions(tmp_path / "bm25", task, bm25(task, 7))
    seen: list[tuple[str, str | None]] = []
    score = model.reranker.score

    def watched(pairs: Any, *, instruction: str | None = None) -> Any:
        seen.extend((query, instruction) for query, _ in pairs)
        return score(pairs, instruction=instruction)

    monkeypatch.setattr(model.reranker, "score", watched)
    scores, _, _ = run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out")

    expected = {(f"{text} {more}", scores[0].instruction) for _, text, more in QUERIES}
    assert set(seen) == expected  # the query's own instruction once, and the task's once
    assert scores[0].metric == "p-MRR"
    logits = reranked_run(tmp_path / "out", task)
    assert scores[0].reranked == pytest.approx(100 * p_mrr(logits, task.changed), abs=1e-6)


def p_mrr(run: dict[str, dict[str, float]], changed: dict[str, list[str]]) -> float:
    """By the definition of FollowIR, over the ranks before (og) and after the instruction was changed."""
    means = []
    for query, documents in changed.items():
        values = []
        for document in documents:
            old, new = (
                1 + sum(score > run[f"{query}-{kind}"][document] for score in run[f"{query}-{kind}"].values())
                for kind in ("og", "changed")
            )
            values.append((1 / old) / (1 / new) - 1 if old >= new else 1 - (1 / new) / (1 / old))
        means.append(sum(values) / len(values))
    return sum(means) / len(means)


def test_a_stopped_run_scores_nothing_twice(
    model: MtebReranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = InstructionTask()
    write_predictions(tmp_path / "bm25", task, bm25(task, 7))
    first, _, _ = run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out")
    monkeypatch.setattr(model, "predict", None)
    monkeypatch.setattr(model.reranker, "score", None)
    again, _, _ = run_tasks([InstructionTask()], model, tmp_path / "bm25", output=tmp_path / "out")
    assert again[0].reranked == pytest.approx(first[0].reranked, abs=0.001)  # mteb stores six decimals


def test_a_run_stopped_within_a_task_goes_on_there(
    model: MtebReranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = InstructionTask()
    write_predictions(tmp_path / "bm25", task, bm25(task, 7))
    monkeypatch.setattr("yesrank.evaluate.mteb_scores._PAIRS_AT_A_TIME", 7)
    score, calls = model.reranker.score, []

    def stopped(pairs: Any, **options: Any) -> Any:
        calls.append(len(pairs))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(pairs, **options)

    monkeypatch.setattr(model.reranker, "score", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out")
    run_tasks([InstructionTask()], model, tmp_path / "bm25", output=tmp_path / "out")
    assert calls == [7, 7, 7, 7, 7]  # four queries, and the one that was stopped again


def test_other_candidates_are_scored_anew(model: MtebReranker, tmp_path: Path) -> None:
    task = InstructionTask()
    write_predictions(tmp_path / "bm25", task, bm25(task, 7))
    run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out")
    few = {query: dict(list(found.items())[:2]) for query, found in bm25(task, 7).items()}
    write_predictions(tmp_path / "bm25", task, few)
    run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out")
    assert all(len(found) == 2 for found in reranked_run(tmp_path / "out", task).values())


def test_an_embedding_model_of_mteb_finds_the_candidates(
    model: MtebReranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Letters:
        """Counts letters: enough of an encoder to go through mteb's search."""

        mteb_model_meta = mteb.models.ModelMeta.create_empty({"name": "local/letters", "revision": "1"})

        def encode(self, inputs: Any, **_unused: Any) -> Any:
            texts = [text for batch in inputs for text in batch["text"]]
            return np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts], float)

        def similarity(self, one: Any, other: Any) -> Any:
            import torch

            return torch.as_tensor(np.asarray(one) @ np.asarray(other).T)

        def similarity_pairwise(self, one: Any, other: Any) -> Any:
            raise NotImplementedError

    asked = []
    monkeypatch.setattr(mteb, "get_model", lambda name: asked.append(name) or Letters())
    for _ in range(2):
        scores, _, stage = run_tasks([InstructionTask()], model, "local/letters", output=tmp_path)
    assert stage == "local/letters"
    assert asked == ["local/letters"]  # the second time its predictions are there
    assert scores[0].subsets == 1


def test_only_the_best_candidates_are_reranked(model: MtebReranker, tmp_path: Path) -> None:
    task = InstructionTask()
    run = bm25(task, 7)
    write_predictions(tmp_path / "bm25", task, run)
    run_tasks([task], model, tmp_path / "bm25", output=tmp_path / "out", top_k=3)
    logits = reranked_run(tmp_path / "out", task)
    assert {query: set(found) for query, found in logits.items()} == {
        query: set(list(found)[:3]) for query, found in run.items()
    }


def test_predictions_that_do_not_fit(model: MtebReranker, tmp_path: Path) -> None:
    task = InstructionTask()
    with pytest.raises(InputError, match="does not exist"):
        run_tasks([task], model, tmp_path)
    path = write_predictions(tmp_path, task, {"tea-og": {"t1": 1.0, "lost": 2.0}})
    with pytest.raises(InputError, match=r"1 candidates .* not in its corpus"):
        run_tasks([task], model, tmp_path)
    write_predictions(tmp_path, task, {"tea-og": {"t1": 1.0}, "tea-changed": {"t1": 1.0}})
    _, notes, _ = run_tasks([InstructionTask()], model, tmp_path)
    assert "2 queries have no candidates" in notes[0]
    path.write_text('{"mteb_model_meta": {}, "default": {}}', encoding="utf-8")
    with pytest.raises(InputError, match="no candidates for subset default, split test"):
        run_tasks([task], model, tmp_path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        run_tasks([task], model, tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        run_tasks([task], model, tmp_path / "nowhere")


def test_every_benchmark_has_the_tasks_of_the_published_table() -> None:
    for name, benchmark in BENCHMARKS.items():
        assert len(select_tasks(name)) == benchmark.tasks, name


def test_data_that_cannot_be_downloaded_are_named(model: MtebReranker, tmp_path: Path) -> None:
    with pytest.raises(YesrankError, match=r"(?s)task CosQA \(CoIR-Retrieval/cosqa at .*huggingface.co"):
        run_benchmark("MTEB-Code", model, first_stage=tmp_path, tasks=["CosQA"])
    with pytest.raises(YesrankError, match="embedding model no/such-model cannot be loaded"):
        run_tasks([InstructionTask()], model, "no/such-model", output=tmp_path)


def test_a_task_may_state_its_own_instruction(model: MtebReranker) -> None:
    own = metadata("LocalPrompt", prompt={"query": "Find the answer"})
    assert task_instruction(own) == "Find the answer"
    assert task_instruction(own, {"LocalPrompt": "Find it"}) == "Find it"
    assert task_instruction(own, "For all") == "For all"


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from yesrank.cli.main import app
    from yesrank.evaluate import benchmarks

    task = InstructionTask()
    write_predictions(tmp_path / "bm25", task, bm25(task, 7))
    monkeypatch.setattr(benchmarks, "select_tasks", lambda _name, _tasks=(): [InstructionTask()])
    monkeypatch.delenv("YESRANK_MODEL", raising=False)
    command = ["eval", "--benchmark", "FollowIR", "--first-stage", str(tmp_path / "bm25"), "--top-k", "7"]
    shown = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "LocalInstruction" in shown.stdout
    assert "none for this model" in shown.stdout
    plain = CliRunner().invoke(app, [*command, "--json", "--keep", str(tmp_path / "kept")])
    report = json.loads(plain.stdout)["benchmarks"][0]
    assert report["published"]["Qwen3-Reranker-8B"] == 8.05
    assert not report["complete"]
    assert (tmp_path / "kept" / "reranked" / MODEL / "LocalInstruction_predictions.json").is_file()
