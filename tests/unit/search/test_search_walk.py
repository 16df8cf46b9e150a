"""Which files are read."""

import os
from pathlib import Path

import pytest

from yesrank.search.walk import HIDDEN, IGNORED, LINK, MADE, SPECIAL, UNREADABLE, Walked, walk


def files(root: Path) -> tuple[list[str], Walked]:
    met = Walked()
    return [path.relative_to(root).as_posix() for path in walk(root, met)], met


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text")


def test_rules_of_gitignore_count_as_for_git(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.txt",
        "b.log",
        "keep.log",
        "build/x.txt",
        "sub/c.log",
        "sub/own.txt",
        "sub/deep/b.log",
        "doc/build.txt",
    )
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\n/build/\n")
    (tmp_path / "sub" / ".gitignore").write_text("own.txt\n!c.log\n")
    found, met = files(tmp_path)
    assert found == ["a.txt", "doc/build.txt", "keep.log", "sub/c.log"]
    assert met.skipped[IGNORED] == 4  # b.log, build, own.txt, deep/b.log


def test_rules_above_count_within_a_repository_only(tmp_path: Path) -> None:
    make(tmp_path, "repo/sub/a.txt", "repo/sub/b.log")
    (tmp_path / "repo" / ".gitignore").write_text("*.log\n")
    assert files(tmp_path / "repo" / "sub")[0] == ["a.txt", "b.log"]
    (tmp_path / "repo" / ".git" / "info").mkdir(parents=True)
    assert files(tmp_path / "repo" / "sub")[0] == ["a.txt"]
    (tmp_path / "repo" / ".git" / "info" / "exclude").write_text("a.*\n")
    assert files(tmp_path / "repo" / "sub")[0] == []


def test_a_file_that_was_named_is_taken(tmp_path: Path) -> None:
    make(tmp_path, "b.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert [*walk(tmp_path / "b.log", Walked())] == [tmp_path / "b.log"]


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    make(tmp_path, ".hidden/a.txt", "node_modules/x/y.js", "venv/lib/z.py", "venv/pyvenv.cfg", "a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "node_modules")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    found, met = files(tmp_path)
    assert found == ["a.txt"]
    assert met.skipped == {HIDDEN: 1, MADE: 2, LINK: 1, SPECIAL: 2}


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.txt", "closed/b.txt")
    plain = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "no")
        return plain(path)

    monkeypatch.setattr("os.scandir", scandir)
    found, met = files(tmp_path)
    assert found == ["a.txt"]
    assert (met.skipped[UNREADABLE], met.closed) == (1, [tmp_path / "closed"])
