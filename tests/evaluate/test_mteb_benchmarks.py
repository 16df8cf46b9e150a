"""Benchmarks, published figures and instructions: what needs no mteb."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from yesrank.cli.main import app
from yesrank.errors import InputError, MissingExtra
from yesrank.evaluate.benchmarks import BENCHMARKS, BenchmarkReport, TaskScore, run_benchmark
from yesrank.evaluate.mteb_model import published, require_mteb, task_instruction


def metadata(name: str) -> Any:
    return SimpleNamespace(name=name, prompt=None)


def test_the_published_table_has_every_benchmark() -> None:
    for figures in published()["figures"]["rows"].values():
        assert list(figures) == list(BENCHMARKS)


def test_instructions_are_those_of_the_official_evaluation() -> None:
    followir = "Retrieval the relevant passage for the given query"
    assert task_instruction(metadata("Core17InstructionRetrieval")) == followir
    assert task_instruction(metadata("ArguAna")) == "Given a claim, find documents that refute the claim"
    assert task_instruction(metadata("Unheard")) == "Given the user query, retrieval the relevant passages"


def test_a_missing_mteb_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'yesrank\[mteb\]'"):
        require_mteb()


def test_an_unknown_benchmark_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"MTEB-R.*FollowIR"):
        run_benchmark("BEIR", None)  # type: ignore[arg-type]


def report(**changes: Any) -> BenchmarkReport:
    score = TaskScore("MultiLongDocRetrieval", "ndcg_at_10", "dev", 13, "Find", 50.0, 67.0, 1.0)
    facts = {
        "benchmark": "MLDR",
        "model": "yesrank/Qwen3-Reranker-0.6B-int8",
        "revision": "abc",
        "precision": "int8",
        "first_stage_name": "Qwen/Qwen3-Embedding-0.6B",
        "top_k": 100,
        "tasks": (score,),
        "first_stage": 50.0,
        "reranked": 67.0,
        "complete": True,
        "published": {row: figures["MLDR"] for row, figures in published()["figures"]["rows"].items()},
        "published_model": "Qwen3-Reranker-0.6B",
        "notes": (),
    }
    return BenchmarkReport(**(facts | changes))


def test_our_figure_stands_beside_the_published_one() -> None:
    assert report().rows() == [
        ("MultiLongDocRetrieval", "50.00", "67.00", ""),
        ("average", "50.00", "67.00", "67.28"),
        ("published first stage", "50.26", "", ""),
    ]
    assert report().as_dict()["published_figure"] == 67.28
    assert report(published_model=None).rows()[1][3] == "none for this model"
    assert report(complete=False).rows()[1][0] == "average of 1 tasks, not of the benchmark"


@pytest.mark.parametrize(
    "options",
    [["folder"], ["--limit", "3"], ["--split", "dev"], ["--fuse", "0.5"], ["--again"], ["--language", "de"]],
    ids=lambda options: options[0].strip("-"),
)
def test_options_of_a_collection_are_refused_for_a_benchmark(options: list[str]) -> None:
    with pytest.raises(InputError, match="a benchmark brings its own collections"):
        CliRunner().invoke(app, ["eval", *options, "--benchmark", "MLDR"], catch_exceptions=False)


def test_options_of_a_benchmark_are_refused_for_a_collection() -> None:
    with pytest.raises(InputError, match="it belongs to a benchmark"):
        CliRunner().invoke(app, ["eval", "folder", "--task", "CosQA"], catch_exceptions=False)
