"""`yesrank batch` on the built-in model, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from yesrank import Reranker
from yesrank.jobs.folder import work_folder

resource = pytest.importorskip("resource")  # not on Windows
COMMAND = [sys.executable, "-c", "from yesrank.cli.main import main; main()", "batch"]
QUESTIONS = ["capital of France", "how bees make honey", "boiling point of water"]
TEXTS = [
    "Paris has been the capital of France since 987.",
    "Foragers carry nectar home.",
    "Water boils at 100 degrees Celsius at sea level.",
    "Maple syrup is boiled from sap.",
]


def write_input(path: Path, queries: int = 3) -> Path:
    documents = [{"id": f"d{at}", "text": text} for at, text in enumerate(TEXTS)]
    lines = [
        {"id": f"q{at}", "query": f"{QUESTIONS[at % 3]} {at}", "documents": documents}
        for at in range(queries)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def batch(*arguments: object, limit: int | None = None) -> "subprocess.CompletedProcess[str]":
    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=limited,
    )


@pytest.fixture(scope="module", autouse=True)
def _built_in_model_is_there() -> None:
    """Put together here, not where a test counts or limits what is written."""
    with Reranker() as reranker:
        reranker.rank("q", ["d"])


def test_the_scores_are_those_of_the_reranker(tmp_path: Path) -> None:
    done = batch(write_input(tmp_path / "in.jsonl"), tmp_path / "out.parquet", "--json", "-m", "builtin")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["pairs"], told["computed"], told["failures"]) == (12, 12, {})
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    with Reranker("builtin") as reranker:
        for at in range(3):
            for hit in reranker.rank(f"{QUESTIONS[at]} {at}", TEXTS):
                row = rows[4 * at + hit.index]
                assert (row["query_id"], row["document_id"]) == (f"q{at}", f"d{hit.index}")
                assert (row["logit"], row["score"], row["truncated"]) == (hit.logit, hit.score, hit.truncated)


def test_killed_while_it_computes_and_run_again(tmp_path: Path) -> None:
    given = write_input(tmp_path / "in.jsonl", 120)
    options = ["-m", "builtin", "--partition-tokens", "1024", "--save-run"]
    output = tmp_path / "out.parquet"
    killed = subprocess.Popen(
        [*COMMAND, given, output, *options, tmp_path / "out.run"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len([*work_folder(output).glob("part-*.parquet")]) < 3 and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "the job was finished before it could be killed"
    kept = sum(len(pq.read_table(part)) for part in work_folder(output).glob("part-*.parquet"))
    assert kept
    again = batch(given, output, *options, tmp_path / "out.run", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["computed"] == 480 - kept
    whole = batch(given, tmp_path / "whole.parquet", *options, tmp_path / "whole.run")
    assert whole.returncode == 0, whole.stderr
    assert pq.read_table(output).equals(pq.read_table(tmp_path / "whole.parquet"))
    assert (tmp_path / "out.run").read_bytes() == (tmp_path / "whole.run").read_bytes()


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    given, output = write_input(tmp_path / "in.jsonl", 60), tmp_path / "out.parquet"
    options = ["-m", "builtin", "--partition-tokens", "1024"]
    # larger than the job's card, and smaller than a partition of so many pairs
    full = batch(given, output, *options, limit=1400)
    assert full.returncode == 1
    assert "is full; what is done is kept" in full.stderr
    assert "next: free some space, and run the same command again" in full.stderr
    assert "Traceback" not in full.stderr
    assert not output.exists()
    assert [path.name for path in work_folder(output).iterdir()] == ["job.json"]
    assert batch(given, output, *options).returncode == 0
    assert len(pq.read_table(output)) == 240


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.jsonl", "in.jsonl"], "output: in.jsonl does not end in .parquet"),
        (["out.parquet"], "input: there is none"),
        (["in.jsonl", "out.parquet", "--workers", "2"], "workers: is an option of Ray"),
        (["in.jsonl", "out.parquet", "--corpus", "c"], "corpus: goes with a run"),
        (["in.jsonl", "out.parquet", "--run", "r"], "run: in.jsonl is given as input beside it"),
        (["out.parquet", "--run", "r", "--queries", "q"], "corpus: a run names its texts only"),
        (["gone.jsonl", "out.parquet"], "input: there is no file or folder gone.jsonl"),
    ],
)
def test_wrong_usage_has_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_input(tmp_path / "in.jsonl")
    done = batch(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "next: " in done.stderr
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize(
    ("module", "extra", "options"), [("pyarrow", "batch", []), ("ray", "ray", ["--ray"])]
)
def test_without_a_package_the_extra_is_named(
    tmp_path: Path, module: str, extra: str, options: list[str]
) -> None:
    hidden = f"import sys; sys.modules['{module}'] = None; "
    given = write_input(tmp_path / "in.jsonl")
    command = [*COMMAND[:2], hidden + COMMAND[2], "batch", given, tmp_path / "o.parquet", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=os.environ)
    assert done.returncode == 1
    assert f"pip install 'yesrank[{extra}]'" in done.stderr


def test_no_score_at_all_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"query": "", "documents": ["a"]}\n')
    done = batch(tmp_path / "in.jsonl", tmp_path / "out.parquet", "-m", "builtin")
    assert done.returncode == 1
    assert "1 no-query" in done.stderr
    assert len(pq.read_table(tmp_path / "out.parquet")) == 1
