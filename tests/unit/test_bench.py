"""The parts of bench that can be wrong without being slow."""

from pathlib import Path

import numpy as np
import pytest

from yesrank.bench import bench
from yesrank.bench.ceiling import measure_ceiling, useful_work
from yesrank.bench.documents import synthetic_documents, synthetic_query
from yesrank.bench.memory import PeakMemory
from yesrank.bench.run import percentile
from yesrank.qwen3 import Qwen3Config

CONFIG = Qwen3Config(8, 16, 3, 2, 1, 4, 100, 512, 1e-6, 1e6, True)


def test_documents_have_the_asked_mean_and_vary() -> None:
    lengths = [len(document.split()) for document in synthetic_documents(100, 120, seed=1)]
    assert sum(lengths) == 100 * 120
    assert min(lengths) >= 60
    assert max(lengths) <= 180
    assert len(set(lengths)) > 30


def test_documents_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    assert synthetic_documents(5, 20, 1) == synthetic_documents(5, 20, 1)
    assert not set(synthetic_documents(50, 20, 1)) & set(synthetic_documents(50, 20, 2))
    assert synthetic_query(1) != synthetic_query(2)


@pytest.mark.parametrize(("count", "words"), [(1, 1), (1, 120), (2, 1), (7, 3)])
def test_small_sets(count: int, words: int) -> None:
    documents = synthetic_documents(count, words, 0)
    assert len(documents) == count
    assert all(documents)


def test_useful_work_of_one_token_is_two_operations_a_weight_and_its_attention() -> None:
    weights = 3 * (8 * 8 + 2 * 4 * 8 + 8 * 8 + 3 * 16 * 8)
    assert useful_work(CONFIG, 0, [1]) == 2 * weights + 3 * 4 * 2 * 4


def test_a_shared_prefix_is_counted_once_and_not_at_all_when_known() -> None:
    alone = useful_work(CONFIG, 0, [10])
    whole = useful_work(CONFIG, 6, [10, 10])
    known = useful_work(CONFIG, 6, [10, 10], prefix_known=True)
    assert whole - known == useful_work(CONFIG, 0, [6])
    assert whole == 2 * (alone - useful_work(CONFIG, 0, [6])) + useful_work(CONFIG, 0, [6])


def test_ceiling_measures_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yesrank.bench.ceiling._SECONDS", 0.0)
    ceiling = measure_ceiling(64, 128)
    assert ceiling.bf16 > 1e6
    assert ceiling.int8 > 1e6
    assert 1e6 < ceiling.bf16_core < 1e13
    assert 1e6 < ceiling.int8_core < 1e13


def test_peak_memory_sees_what_was_freed_again() -> None:
    with PeakMemory() as memory:
        block = np.ones(64 << 20, np.uint8)
        memory._stop.wait(0.05)
        del block
    assert memory.peak - memory.start > 50 << 20


def test_the_whole_on_a_small_model(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yesrank.bench.ceiling._SECONDS", 0.0)
    monkeypatch.setattr("yesrank.bench.run._LATENCY_SECONDS", 0.0)
    result = bench(str(folders["int8"]), documents=4, words=10, repeat=2)
    assert [latency.documents for latency in result.latencies] == [1, 4]
    assert all(latency.runs == 2 and 0 < latency.p50 <= latency.p99 for latency in result.latencies)
    assert result.cold.tokens_per_second > result.cold.document_tokens_per_second > 0
    assert 0 < result.cold.ceiling_bf16 < 1
    assert result.load_seconds > 0


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (10, 10), (100, 99), (1000, 990)])
def test_percentile_is_a_value_that_occurred(count: int, expected: int) -> None:
    assert percentile(range(count, 0, -1), 0.99) == expected
