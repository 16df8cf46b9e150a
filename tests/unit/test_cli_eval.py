"""`yesrank eval` as it is called: with the built-in model, on a small collection."""

import json
import re
import sys
from pathlib import Path

import pytest
from small_collection import write_folder, write_lines
from typer.testing import CliRunner, Result

from yesrank.cli import evaluation_progress
from yesrank.cli.evaluation_output import run_files
from yesrank.cli.main import app
from yesrank.errors import InputError, MissingExtra, VerificationFailed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YESRANK_SCORES", str(tmp_path / "scores.sqlite"))
    monkeypatch.delenv("YESRANK_MODEL", raising=False)
    return write_folder(tmp_path / "small")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments)], env={"COLUMNS": "110", "NO_COLOR": "1"})


def test_first_stage_only(folder: Path) -> None:
    done = invoke(folder, "--first-stage-only")
    assert done.exit_code == 0, done.output
    assert "small: 3 queries" in done.stdout
    assert "nDCG@10" in done.stdout
    assert "queries: 1 of 4 have no judgments" in done.stderr


def test_everything_at_once(folder: Path, tmp_path: Path) -> None:
    runs, page = tmp_path / "runs", tmp_path / "report.html"
    done = invoke(folder, "-k", 3, "--fuse", 0.5, "--save-run", runs, "--html", page, "--json")
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert [system["label"] for system in data["systems"]] == ["bm25", "builtin", "builtin + bm25"]
    assert data["systems"][1]["model"]["scored_now"] == data["systems"][1]["model"]["pairs"] > 0
    assert [query["id"] for query in data["queries"]] == ["q1", "q2", "q3"]
    assert sorted(path.name for path in runs.iterdir()) == [
        "bm25.trec",
        "builtin-+-bm25.trec",
        "builtin.trec",
    ]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    again = json.loads(invoke(folder, "-k", 3, "--json").stdout)
    assert again["systems"][1]["model"]["scored_now"] == 0
    assert again["systems"][1]["figures"] == data["systems"][1]["figures"]


def test_a_saved_run_is_a_first_stage(folder: Path, tmp_path: Path) -> None:
    assert invoke(folder, "--first-stage-only", "--save-run", tmp_path / "runs").exit_code == 0
    files = ["--corpus", folder / "corpus.jsonl", "--queries", folder / "queries.jsonl"]
    files += ["--qrels", folder / "qrels" / "test.tsv", "--run", tmp_path / "runs" / "bm25.trec"]
    first, second = (
        json.loads(invoke(*arguments, "--first-stage-only", "--json").stdout)
        for arguments in ([folder], files)
    )
    assert first["systems"] == second["systems"]


def test_comparison_and_bounds(folder: Path) -> None:
    models = ["--compare", "builtin@f32", "builtin@bf16"]
    done = invoke(folder, *models, "--fail-under", "tau=-1", "--fail-over", "delta-max=100", "--json")
    assert done.exit_code == 0, done.output
    comparison = json.loads(done.stdout)["comparison"]
    assert (comparison["a"], comparison["b"]) == ("builtin@f32", "builtin@bf16")
    assert comparison["overlap"] == 1
    done = invoke(folder, *models, "--fail-over", "delta-mean=0")
    assert done.exit_code == 1
    assert isinstance(done.exception, VerificationFailed)
    assert "delta-mean is" in str(done.exception)


def test_a_query_with_one_candidate_is_counted_and_has_no_order(folder: Path, tmp_path: Path) -> None:
    models = ["--compare", "builtin@f32", "builtin@bf16", "--top-k", "1", "--html", tmp_path / "r.html"]
    done = invoke(folder, *models)
    assert done.exit_code == 0, done.output
    compared = next(line for line in done.stdout.splitlines() if line.startswith("compared"))
    pairs, queries = map(int, re.findall(r"(\d+) pairs of (\d+) queries", compared)[0])
    assert pairs == queries > 0
    assert "no query has two candidates" in done.stdout
    assert "<td>no query has two candidates</td>" in (tmp_path / "r.html").read_text(encoding="utf-8")
    broken = invoke(folder, *models, "--fail-under", "tau=0.9")
    assert "tau cannot be told" in str(broken.exception)


def test_a_bound_on_the_first_stage(folder: Path) -> None:
    assert invoke(folder, "--first-stage-only", "--fail-under", "nDCG@10=0.5").exit_code == 0
    assert isinstance(
        invoke(folder, "--first-stage-only", "--fail-under", "R@100=1.1").exception, VerificationFailed
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "collection: it is not complete"),
        (["--corpus", "c.jsonl"], "collection: it is not complete"),
        (["--corpus", "c.jsonl"], "there is no --queries, --qrels"),
        (["FOLDER", "--qrels", "q.tsv"], "qrels: the folder brings its own"),
        (["--corpus", "c", "--queries", "q", "--qrels", "r", "--split", "dev"], "split: it is of a folder"),
        (["FOLDER", "--run", "r.trec", "--language", "en"], "language: it is of BM25"),
        (["FOLDER", "--first-stage-only", "--fuse", "0.5"], "fuse: --first-stage-only reranks nothing"),
        (["FOLDER", "--first-stage-only", "--model", "x"], "model: --first-stage-only reranks nothing"),
        (["FOLDER", "--first-stage-only", "--max-length", "9"], "max-length: --first-stage-only"),
        (["FOLDER", "--first-stage-only", "--compare", "a", "b"], "first-stage-only: --compare is of models"),
        (["FOLDER", "--model", "builtin@f32", "--precision", "int8"], "model: 'builtin@f32' says how"),
        (["FOLDER", "--benchmark", "MLDR"], "collection: a benchmark brings its own"),
        (["--benchmark", "MLDR", "--save-run", "x"], "save-run: a benchmark brings its own"),
        (["FOLDER", "--first-stage", "x"], "first-stage: it belongs to a benchmark"),
        (["FOLDER", "--html", "FOLDER"], "is a folder"),
        (["FOLDER", "--save-run", "FOLDER/corpus.jsonl"], "save-run: .* cannot be made"),
        (["FOLDER", "--fail-under", "AP=nan"], "fail-under: 'nan' is not a number"),
        (["FOLDER", "--fail-over", "AP=inf"], "fail-over: 'inf' is not a number"),
        (["FOLDER", "--split", "dev"], "split: there is no"),
        (["FOLDER", "--language", "xx"], "language: 'xx' is not known"),
        (["FOLDER", "--html", "/no/such/folder/r.html"], "html: there is no folder"),
        (["FOLDER", "--compare", "a", "b", "--model", "c"], "model: --compare names the models itself"),
        (["FOLDER", "--fail-under", "tau=1"], "fail-under: 'tau=1' names no figure"),
    ],
)
def test_wrong_calls_are_told_before_anything_is_scored(
    folder: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[object] = []
    monkeypatch.setattr("yesrank.cli.eval._measure", scored.append)
    done = invoke(*[argument.replace("FOLDER", str(folder)) for argument in arguments])
    assert isinstance(done.exception, InputError)
    assert re.search(message, done.exception.message)
    assert done.exception.hint


def test_ids_that_no_run_can_hold_are_told_first(folder: Path, tmp_path: Path) -> None:
    write_lines(folder / "corpus.jsonl", [{"_id": "d\t1", "text": "bees"}, {"_id": "d4", "text": "bread"}])
    done = invoke(folder, "--save-run", tmp_path / "runs")
    assert isinstance(done.exception, InputError)
    assert "holds a tab" in done.exception.message
    assert not (tmp_path / "scores.sqlite").exists()


def test_a_run_of_a_model_as_the_first_stage_of_it(folder: Path, tmp_path: Path) -> None:
    """Two rankings of one name would share a file, and their figures a key."""
    assert invoke(folder, "--save-run", tmp_path / "runs").exit_code == 0
    arguments = [folder, "--run", tmp_path / "runs" / "builtin.trec", "--json", "--save-run"]
    done = invoke(*arguments, tmp_path / "again")
    data = json.loads(done.stdout)
    assert [system["label"] for system in data["systems"]] == ["builtin (run)", "builtin"]
    assert [*data["queries"][0]["figures"]] == ["builtin (run)", "builtin"]
    assert len([*(tmp_path / "again").iterdir()]) == 2
    done = invoke(*arguments, tmp_path / "runs")
    assert isinstance(done.exception, InputError)
    assert "builtin.trec is the file of --run" in done.exception.message


def test_names_of_run_files(tmp_path: Path) -> None:
    found = run_files(tmp_path, ["a b", "a-b", "???", "日本"])
    assert [path.name for path in found.values()] == ["a-b.trec", "a-b-2.trec", "run.trec", "日本.trec"]


def test_the_first_stage_alone_keeps_no_scores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YESRANK_SCORES", str(folder / "corpus.jsonl" / "not-a-folder"))
    assert invoke(folder, "--first-stage-only").exit_code == 0


def test_an_empty_variable_is_no_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YESRANK_MODEL", "")
    assert "builtin" in invoke(folder, "-k", 1).stdout


def test_what_is_odd_is_told_before_scoring(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("yesrank.evaluate.run.rerank", stop)
    done = invoke(folder)
    assert done.exit_code == 130
    assert "note: queries: 1 of 4 have no judgments" in done.stderr
    assert "the scores so far are kept" in done.stderr


def test_names_in_a_narrow_terminal(folder: Path) -> None:
    arguments = ["eval", str(folder), "-p", "f32", "-p", "int8"]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80", "NO_COLOR": "1"})
    gains = done.stdout.partition("95 % intervals")[2]
    assert "builtin@f32" in gains
    assert "builtin@int8" in gains
    assert "…" not in gains


def test_progress_in_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_progress, "SECONDS_BETWEEN_LINES", 0.0)
    clock = iter([0.0, 5.0, 15.0])
    monkeypatch.setattr(evaluation_progress.time, "monotonic", lambda: next(clock))
    with evaluation_progress.progress("tiny", 1000) as report:
        report(400)
        report(100)
    said = capsys.readouterr().err
    assert "tiny: 400 of 1000 pairs are known from before" in said
    assert "tiny: 500 of 1000 pairs, 10 pairs/s, about 50 s left" in said


def test_missing_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("bm25s", "Stemmer", "ir_measures"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            done = invoke(folder, "--first-stage-only", "--language", "en")
        assert isinstance(done.exception, MissingExtra)
        assert "yesrank[eval]" in str(done.exception)


def test_the_first_stage_alone_says_so(folder: Path, tmp_path: Path) -> None:
    done = invoke(folder, "--first-stage-only", "--html", tmp_path / "r.html")
    assert "first stage only, nothing reranked" in done.stdout
    page = (tmp_path / "r.html").read_text()
    assert "first stage only, nothing reranked" in page
    assert "of each query reranked" not in page
    assert json.loads(invoke(folder, "--first-stage-only", "--json").stdout)["top_k"] is None


def test_own_ids_and_instructions_by_option(folder: Path) -> None:
    write_lines(folder / "corpus.jsonl", [{"_id": "q1", "text": "bees"}, {"_id": "d1", "text": "bees honey"}])
    write_lines(folder / "queries.jsonl", [{"_id": "q1", "text": "bees", "instruction": "Find the insect"}])
    without, kept = (
        invoke(folder, "--first-stage-only", *more) for more in ((), ("--keep-own-id", "--language", "en"))
    )
    assert "the document with the same id is left out" in " ".join(without.stderr.split())
    assert "the document with the same id is kept" in " ".join(kept.stderr.split())
    told = invoke(folder, "--instruction", "Find the colour", "--json", "--top-k", "1")
    assert "the instructions of 1 are left aside" in " ".join(told.stderr.split())
    found = json.loads(told.stdout)
    assert found["systems"][1]["model"]["settings"]["instruction"] == "Find the colour"
    own = json.loads(invoke(folder, "--json", "--top-k", "1").stdout)
    assert own["queries"][0]["instruction"] == "Find the insect"
