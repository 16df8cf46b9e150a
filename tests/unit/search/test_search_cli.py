"""`yesrank index` and `yesrank search`, as they are typed."""

import json
from pathlib import Path

import pytest

from yesrank.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr("sys.argv", ["yesrank", *arguments])
        main()
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def test_index_then_search(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "index", str(notes))
    assert (code, out) == (0, "")
    assert "3 files read (5 passages)" in err
    code, out, err = run(capsys, "search", "capital of France")
    assert code == 0
    assert "france.md:7" in out
    assert "»Paris is the capital of France.« It lies on the Seine." in out
    assert "builtin" in err
    code, out, err = run(capsys, "search", "walrus")
    assert (code, out) == (1, "")
    assert "nothing was found" in err


def test_json(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(run(capsys, "index", str(notes), "--name", "x", "--json")[1])
    assert (made["read"], made["skipped"]) == (3, {})
    found = json.loads(run(capsys, "search", "capital of France", "-n", "x", "--json", "--top", "1")[1])
    [only] = found["results"]
    assert only["path"] == str(notes / "france.md")
    assert only["best"]["text"] == "Paris is the capital of France."
    assert only["text"][only["best"]["start"] : only["best"]["end"]] == only["best"]["text"]
    assert (found["model"], found["fused"], only["lines"]) == ("builtin", True, [7, 7])
    plain = json.loads(run(capsys, "search", "capital", "-n", "x", "--json", "--no-rerank")[1])
    assert (plain["model"], plain["results"][0]["score"]) == (None, None)
    code, out, _ = run(capsys, "search", "walrus", "-n", "x", "--json")
    assert (code, json.loads(out)["results"]) == (1, [])


def test_status_check_and_remove(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no index yet" in run(capsys, "index", "--status")[2]
    run(capsys, "index", str(notes))
    [only] = json.loads(run(capsys, "index", "--status", "--json")[1])["indexes"]
    assert (only["files"], only["passages"], only["roots"], only["waiting"]) == (3, 5, [str(notes)], 0)
    assert "is whole" in run(capsys, "index", "--check")[2]
    assert run(capsys, "index", "--remove")[0] == 0
    code, _, err = run(capsys, "search", "capital")
    assert code == 1
    assert "next: make it: yesrank index PATH..." in err


def test_options_that_go_apart(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "go apart" in run(capsys, "index", "--status", "--remove")[2]
    assert "takes none" in run(capsys, "index", str(notes), "--status")[2]
    assert run(capsys, "index", str(notes / "nowhere"))[0] == 1


def test_an_empty_index_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    run(capsys, "index", str(tmp_path / "empty"))
    code, _, err = run(capsys, "search", "capital")
    assert (code, "the index is empty" in err) == (1, True)
