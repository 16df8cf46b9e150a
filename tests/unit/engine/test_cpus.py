from pathlib import Path

import pytest

from yesrank.engine import cpus
from yesrank.engine.openvino import open_engine


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def limit(text: str) -> None:
        (tmp_path / "cpu.max").write_text(text, encoding="ascii")
        monkeypatch.setattr(cpus, "CPU_MAX", tmp_path / "cpu.max")

    return limit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 1),
        ("50000 100000\n", 1),
        ("", None),
    ],
)
def test_a_containers_quota_is_whole_cores(limited, text: str, expected: int | None) -> None:
    limited(text)
    assert cpus.quota() == expected


def test_no_file_is_no_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "CPU_MAX", tmp_path / "nothing")
    assert cpus.quota() is None


def test_threads_are_at_most_the_quota_and_the_affinity(limited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "usable", lambda: 6)
    monkeypatch.setattr(cpus.psutil, "cpu_count", lambda logical: 8)
    limited("max 100000")
    assert cpus.threads() == 6
    limited("300000 100000")
    assert cpus.threads() == 3


def test_an_engine_in_a_container_runs_as_many_threads_as_it_may(folders, limited) -> None:
    limited("100000 100000")
    engine = open_engine(folders["int8"])
    assert engine._request.get_compiled_model().get_property("INFERENCE_NUM_THREADS") == 1
