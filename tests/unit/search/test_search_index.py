"""An index follows its files."""

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from yesrank.claims import claimed
from yesrank.errors import IndexNotFound, InputError
from yesrank.search import Asked, Index, index, index_file, index_names, postings, remove, search, writing
from yesrank.search import indexing as runs

OLD = 1_700_000_000


def found(query: str, name: str = "n") -> list[str]:
    with Index(name) as opened:
        return [each.passage.text for each in opened.candidates(query, 10)]


def settle(folder: Path) -> None:
    """As if nobody had changed anything for long."""
    for path in folder.rglob("*"):
        os.utime(path, (OLD, OLD))


def test_passages_have_places(notes: Path) -> None:
    report = index([notes], "n")
    assert (report.read, report.passages, report.skipped) == (3, 5, Counter())
    with Index("n") as opened:
        [paris, *_] = opened.candidates("capital of France", 10)
        assert paris.passage.heading == ("France", "Capital")
        assert paris.passage.place == f"{notes}/france.md:7"
        assert paris.passage.shown.startswith("France > Capital\nParis is")
        [heron] = opened.candidates("heron", 10)
        assert (heron.passage.record, heron.passage.place) == ("r1", f"{notes}/rows.csv:2")
        assert opened.passage(heron.passage.id) == heron.passage
        assert [each.id for each in opened.around(heron.passage, 1, 1)] == [
            heron.passage.id,
            heron.passage.id + 1,
        ]


def test_headings_and_names_of_files_are_found(notes: Path) -> None:
    index([notes], "n")
    assert found("planets")[0].startswith("Mars")
    assert found("Europe capital")


def test_only_what_has_changed_is_read(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(notes)
    index([notes], "n")
    (notes / "france.md").write_text("# France\n\nLyon is a city.\n")
    (notes / "rows.csv").unlink()
    (notes / "new.txt").write_text("A walrus.\n")
    opened: list[str] = []
    plain = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path.name) or plain(path))
    report = index([], "n")
    assert (report.read, report.unchanged, report.removed) == (2, 1, 1)
    assert sorted(opened) == ["france.md", "new.txt"]
    assert found("Paris Seine") == []
    assert found("heron") == []
    assert found("Lyon") == ["Lyon is a city."]
    assert found("walrus") == ["A walrus."]
    assert len(found("Venus")) == 1


def test_a_file_that_changed_just_after_it_was_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    index([path], "n")
    status = path.stat()
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # a clock too coarse to tell
    assert index([path], "n").read == 1
    assert found("two") == ["two"]


def test_touched_files_are_not_taken_apart_again(notes: Path) -> None:
    index([notes], "n")
    settle(notes)
    report = index([notes], "n")
    assert (report.read, report.unchanged) == (0, 3)


def test_paths_add_up_and_others_stay(notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("A walrus.")
    index([notes], "n")
    index([other], "n")
    assert found("walrus")
    assert found("heron")
    assert index([], "n").unchanged == 4
    other.unlink()
    report = index([], "n")
    assert "other.txt is not there" in report.notes[0]
    assert found("walrus"), "a disk that is not mounted takes nothing away"


def test_indexes_are_apart(notes: Path) -> None:
    index([notes / "rows.csv"], "a")
    index([notes / "france.md"], "b")
    assert (found("heron", "a") != [], found("heron", "b")) == (True, [])
    assert index_names() == ["a", "b"]
    remove("a")
    assert index_names() == ["b"]
    with pytest.raises(IndexNotFound, match="no index 'a'"):
        Index("a")
    with pytest.raises(IndexNotFound, match="no index 'a'"):
        remove("a")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b", "end."])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        index_file(name)


def test_without_paths_a_new_index_is_refused(indexes: Path) -> None:
    with pytest.raises(InputError, match="there are none"):
        index([], "n")
    with pytest.raises(InputError, match="no file or folder"):
        index([indexes / "nowhere"], "n")
    assert index_names() == []


def test_what_is_left_out_is_told_with_its_reason(notes: Path) -> None:
    (notes / "big.txt").write_text("x " * 600)
    (notes / "binary.dat").write_bytes(b"\x00\x01\x02" * 9)
    (notes / "latin.txt").write_bytes("grün".encode("latin-1"))
    (notes / "empty.txt").write_text(" \n")
    report = index([notes], "n", largest=1000)
    assert report.skipped == {runs.TOO_LARGE: 1, runs.NO_TEXT: 2, runs.EMPTY: 1}
    details = {Path(path).name: detail for path, _, detail in report.details}
    assert "1,200 bytes" in details["big.txt"]
    assert "not UTF-8" in details["latin.txt"]
    with Index("n") as opened:
        assert opened.status().skipped == dict(report.skipped)
        assert len(opened.skipped()) == 4
    assert index([notes], "n").skipped[runs.TOO_LARGE] == 0, "read, once more is allowed"


def test_a_file_that_cannot_be_opened_keeps_what_it_held(
    notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index([notes], "n")
    plain = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "rows.csv":
            raise PermissionError(13, "Permission denied")
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert index([notes], "n").skipped == {runs.UNREADABLE: 1}
    assert found("heron")


def test_a_file_that_has_become_binary_is_taken_out(notes: Path) -> None:
    index([notes], "n")
    (notes / "rows.csv").write_bytes(b"\x00\x01\x02" * 9)
    index([notes], "n")
    assert found("heron") == []


def test_one_writer_at_a_time(notes: Path) -> None:
    target = index_file("n")
    target.parent.mkdir(parents=True)
    with claimed(target), pytest.raises(InputError, match="being written by another process"):
        index([notes], "n")


def test_many_segments_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["amber", "birch", "cedar", "delta", "ember", "frost", "grove", "heath"]
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.txt").write_text(
            f"{words[number % 8]} {words[number * 5 % 7]} {'x ' * (number % 5)}"
        )
    index([folder], "one")
    monkeypatch.setattr(writing, "PENDING", 3)
    monkeypatch.setattr(postings, "_SMALL", 3)
    monkeypatch.setattr(postings, "FAN", 3)
    index([folder], "many")
    (folder / "7.txt").write_text("changed")
    index([folder], "many")
    index([folder], "one", rebuild=True)
    for query in (*words, "amber cedar", "x heath"):
        with Index("one") as one, Index("many") as many:
            left, right = (
                {each.passage.text: pytest.approx(each.score) for each in opened.candidates(query, 100)}
                for opened in (one, many)
            )
            assert left == right
    with Index("many") as many:
        many.check()
        assert many.status().waiting == 0


def test_due_merges_the_small_ones_at_the_end() -> None:
    small, fan = postings._SMALL, postings.FAN
    assert postings.due([small] * (fan - 1)) == 0
    assert postings.due([small] * fan) == fan
    assert postings.due([small * fan * fan, *[small] * fan]) == fan
    assert postings.due([small * fan] * fan) == fan
    sizes: list[int] = []
    for _ in range(2000):
        sizes.append(small)
        while last := postings.due(sizes):
            sizes[-last:] = [sum(sizes[-last:])]
        assert len(sizes) <= 4 * fan


def test_removed_passages_leave_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for number in range(30):
        path.write_text(f"version{number} walrus")
        index([path], "n")
    assert found("walrus") == ["version29 walrus"]
    assert found("version3") == []
    with Index("n") as opened:
        assert opened._connection.execute("SELECT count(*) FROM removed").fetchone()[0] < 5


def test_others_search_while_one_writes(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_text(f"walrus {number}")
    index([folder / "00.txt"], "n")
    counts: list[int] = []

    def told(path: str) -> None:
        thread = threading.Thread(target=lambda: counts.append(len(found_all())))
        thread.start()
        thread.join()

    with Index("n") as reader:

        def found_all() -> list[str]:
            return [each.passage.text for each in reader.candidates("walrus", 100)]

        index([folder], "n", told=told)
        assert counts == sorted(counts), "each file once it is in"
        assert counts[-1] == 39
        assert len(found_all()) == 40


def test_text_and_names_that_no_database_takes(notes: Path) -> None:
    (notes / "odd.jsonl").write_text('{"id": "\\ud800", "text": "walrus \\udc00 here"}\n')
    Path(os.fsdecode(os.fsencode(notes) + b"/b\xff.txt")).write_text("heron")
    report = index([notes], "n")
    assert report.skipped == {runs.NO_NAME: 1}
    assert found("walrus") == ["walrus ? here"]


def test_a_passage_that_has_gone_is_told(notes: Path) -> None:
    index([notes], "n")
    with Index("n") as opened:
        with pytest.raises(IndexNotFound, match="no passage 999"):
            opened.passage(999)
        assert search(opened, Asked("zzz")).found == ()
