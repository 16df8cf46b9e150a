"""What a comparison with other programs rests on; the programs themselves are not needed here."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from yesrank import Reranker
from yesrank.errors import ModelError
from yesrank.models.folder import builtin_folder
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder

HERE = Path(__file__).parent.parent.parent / "benchmarks"
MODULES = (
    "environments", "models", "scorers", "scorers_servers", "contenders", "worker", "request", "rows", "report",
    "machine", "compare",
)  # fmt: skip


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The programs of benchmarks/, which import each other by their bare names."""
    monkeypatch.syspath_prepend(HERE)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield {name: import_module(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name, None)


def test_every_contender_has_a_folder_and_an_environment(bench: dict[str, ModuleType]) -> None:
    known = {bench["environments"].OWN, *bench["environments"].REQUIREMENTS}
    for each in (bench["contenders"].CONTENDERS | bench["contenders"].JUDGES).values():
        assert each.folder in bench["models"].KINDS
        assert each.environment in known
    assert all(path.is_file() for path in bench["environments"].REQUIREMENTS.values())


def test_what_cannot_be_installed_is_told_with_its_reason(bench: dict[str, ModuleType]) -> None:
    environments = bench["environments"]
    code = "import sys; sys.stderr.write('WARNING: no\\nERROR: no wheel\\n'); sys.exit(1)"
    with pytest.raises(environments.Unavailable, match=r"^ERROR: no wheel$"):
        environments._run(sys.executable, "-c", code)


def test_processor_time_counts_the_processes_that_were_started(bench: dict[str, ModuleType]) -> None:
    worker = bench["worker"]
    before = worker._cpu_seconds()
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True); input()"
    with subprocess.Popen(
        (sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        alive = worker._cpu_seconds()
        child.communicate("\n")
    assert alive - before >= 0.25
    assert worker._cpu_seconds() - before >= 0.25


def test_a_graph_without_a_cache_gives_the_same_logits(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    models = bench["models"]
    folder = tmp_path / "m"
    models._linked(builtin_folder(), folder)
    alone = folder / "onnx" / "alone.onnx"
    models._without_cache(folder / "onnx" / "model_int8.onnx", alone)
    assert (builtin_folder() / "onnx" / "model_int8.onnx").exists()
    session = ort.InferenceSession(alone)
    assert [each.name for each in session.get_inputs()] == ["input_ids", "attention_mask"]
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, "how do bees make honey")
    [prompt] = PromptEncoder.from_folder(folder).prompts(around, ["Bees fan the nectar."], 8192)
    ids = np.array([prompt.ids], np.int64)
    [[found]] = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    with Reranker("builtin", engine="onnx", variant="int8") as reranker:
        [hit] = reranker.rank("how do bees make honey", ["Bees fan the nectar."])
    assert found[1] - found[0] == pytest.approx(hit.logit, abs=0.05)


def test_the_report_divides_by_processor_time(bench: dict[str, ModuleType]) -> None:
    def measured(cpu_seconds: float, logits: list[float]) -> object:
        return bench["worker"].Measurement(2, 1.0, 4.0, cpu_seconds, 1.0, 3 * 10**9, 10**9, 10**9, logits)

    request = bench["request"].Request("q", ["a", "b"], [0, 1], [])
    rounds = [{"yesrank-w8a8": measured(1.0, [1.0, 2.0]), "vllm": measured(4.0, [1.0, 2.5])}]
    rows = bench["rows"].rows_of(request, rounds, {0: 1.0, 1: 2.0})
    ceiling = {"bf16": 9e12, "int8": 9e12, "bf16_core": 0.5e12, "int8_core": 1e12}
    machine = {"processor": "P", "features": ["avx2"], "cores": 2, "load_before": 0.0, "tokens": 10.0}
    settings = dict.fromkeys(("preset", "documents", "words", "part"), "2")
    text = bench["report"].shown(
        {
            "machine": {**machine, "ceiling": ceiling, "work": 0.25e12},
            "settings": settings,
            "judge": "J",
            "judged": 2,
            "rows": [asdict(row) for row in rows],
            "rounds": [{}],
            "skipped": {"llama": "no wheel"},
        }
    )
    vllm = next(line for line in text.splitlines() if "vLLM" in line)
    assert "| 0.50 (0.50-0.50) | 2.00 | 12% | 1.0 | 3.00 GB | 2.00 GB | 0.500 / 0.250 | 4.00x |" in vllm
    assert "Left out: llama: no wheel." in text


def test_a_contender_that_fails_is_left_out_and_the_others_go_on(
    bench: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = bench["compare"]

    def measured(name: str, *_: object) -> object:
        if name == "yesrank-onnx":
            raise ModelError("its folder cannot be made")
        return bench["worker"].Measurement(2, 1.0, 4.0, 1.0, 1.0, 1, 1, 1, [])

    monkeypatch.setattr(compare, "_measured", measured)
    skipped: dict[str, str] = {}
    ran = compare._round(0, None, ["yesrank-onnx", "yesrank-int8"], None, skipped)
    assert [name for name, _ in ran] == ["yesrank-int8"]
    assert "cannot be made" in skipped["yesrank-onnx"]


def test_the_page_shows_the_kept_results(bench: dict[str, ModuleType]) -> None:
    report = bench["report"]
    assert [*report.RESULTS.glob("*.json")]
    assert report.page() == report.PAGE.read_text(encoding="utf-8"), "run: python benchmarks/report.py --page"
