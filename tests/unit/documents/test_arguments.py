"""Arguments -> files, folders, standard input or texts: never the name of a path in place of what it holds."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yesrank.documents import Options, Reading, read
from yesrank.documents.arguments import exists, looks_like_path
from yesrank.errors import InputError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"  # so that the folder above holds nothing else
    home.mkdir()
    monkeypatch.chdir(home)
    for name, content in {
        "notes/a.txt": "roof one\nroof two\n",
        "notes/b.txt": "roof three\n",
        "notes/deep/c.md": "# roof\n\nfour\n",
        "notes/d.jsonl": '{"text": "five", "id": "e"}\n',
        "notes/.hidden.txt": "never\n",
        "notes/.git/f.txt": "never\n",
        "notes/plan.png": "x",
        "notes/empty.txt": "\n",
        "my notes.txt": "a name with a space\n",
        "word": "a file without an ending\n",
    }.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return home


def found(
    *arguments: str, stdin: bytes = b"from stdin\n", only: str | None = None, **options: str
) -> Reading:
    return read(arguments, Options(**options), stdin=lambda: stdin, only=only)


def texts(*arguments: str, only: str | None = None) -> list[str]:
    return [passage.text for passage in found(*arguments, only=only).passages]


def test_several_files() -> None:
    reading = found("notes/b.txt", "notes/a.txt")
    assert [(each.text, each.source) for each in reading.passages] == [
        ("roof three", "notes/b.txt:1"),
        ("roof one", "notes/a.txt:1"),
        ("roof two", "notes/a.txt:2"),
    ]
    assert reading.what == "3 documents in 2 files, text, one a line"
    assert reading.several


def test_a_folder_with_what_lies_below_it() -> None:
    reading = found("notes")
    assert [each.text for each in reading.passages] == [
        "roof one",
        "roof two",
        "roof three",
        "five",
        "# roof\n\nfour",
    ]
    assert reading.what == (
        "5 documents in 4 files: 2 text, one a line; 1 JSONL, field text; 1 Markdown, the whole as one"
    )
    assert reading.notes == ("notes: 1 file of other kinds left out (1 .png)",)


def test_a_broken_file_of_a_folder_is_left_out_with_a_note_and_refused_by_its_name(home: Path) -> None:
    (home / "notes" / "g.json").write_text("{")
    assert any("left out: " in note and "g.json is not JSON" in note for note in found("notes").notes)
    with pytest.raises(InputError, match=r"g\.json is not JSON"):
        found("notes/g.json")


def test_one_file() -> None:
    assert texts("my notes.txt") == ["a name with a space"]
    assert texts("word") == ["a file without an ending"]
    reading = found("notes/d.jsonl")
    assert (reading.what, reading.several) == ("1 document, JSONL, field text", False)


def test_standard_input_beside_files() -> None:
    assert texts("-", "word") == ["from stdin", "a file without an ending"]
    assert found("-", "word").what == "2 documents in 2 sources, text, one a line"
    with pytest.raises(InputError, match="twice"):
        found("-", "-")


def test_a_pattern_that_the_shell_has_left_as_it_is() -> None:
    assert texts("notes/*.txt") == ["roof one", "roof two", "roof three"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe(home: Path) -> None:
    os.mkfifo(home / "pipe")
    writer = threading.Thread(target=lambda: (home / "pipe").write_text("through a pipe\n"))
    writer.start()
    assert texts("pipe") == ["through a pipe"]
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_in_a_folder_is_not_waited_for(home: Path) -> None:
    os.mkfifo(home / "notes" / "pipe.txt")
    assert "left out: notes/pipe.txt is no file but a pipe, socket or device" in found("notes").notes


def test_a_folder_that_may_not_be_looked_into(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refused(folder: str) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scan(folder)

    (home / "notes" / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", refused)
    assert "left out: notes/closed cannot be read: Permission denied" in found("notes").notes


def test_a_file_behind_a_closed_folder_is_not_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(InputError, match=r"closed/a\.txt cannot be read: Permission denied"):
        found("closed/a.txt")


@pytest.mark.parametrize(
    "arguments",
    [("Paris is the capital.",), ("one", "two"), ("x" * 100_000,), ("two\nlines.txt",), ("",), ("and/or",),
     ("Who wrote Node.js?",), ("C++ / C",), ("a" * 300,), ("nul\0",), ("~nobody",)],
)  # fmt: skip
def test_texts(arguments: tuple[str, ...]) -> None:
    assert texts(*arguments) == [*arguments]
    assert "given as text" in found(*arguments).what


@pytest.mark.parametrize(
    "argument",
    ["missing.jsonl", "missing.txt", "my missing notes.md", "report.PDF", "./word2", "/no/such/place", "notes/roof",
     "nonotes/", "../up", "~/no-such-folder-here", "nonotes/*.txt", "https://example.org/a.html", "C:\\notes\\a",
     "See README.md"],
)  # fmt: skip
def test_what_looks_like_a_path_must_be_there_unless_it_is_said_to_be_text(argument: str) -> None:
    for arguments in ((argument,), ("a text", argument)):
        with pytest.raises(InputError) as caught:
            found(*arguments)
        assert argument in caught.value.message
        assert "--text" in str(caught.value.hint)
        assert texts(*arguments, only="text") == [*arguments]


@pytest.mark.parametrize("arguments", [("notes", "Paris"), ("Paris", "word"), ("-", "Paris")])
def test_files_and_texts_are_not_mixed(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="is text") as caught:
        found(*arguments)
    assert "--text or --file" in str(caught.value.hint)
    assert texts(*arguments, only="text") == [*arguments]


def test_all_may_be_said_to_be_files() -> None:
    with pytest.raises(InputError, match="there is no file or folder Paris"):
        found("word", "Paris", only="file")


def test_nothing() -> None:
    for arguments in ((), ("notes/empty.txt",), ("-",)):
        with pytest.raises(InputError, match="there are none"):
            found(*arguments, stdin=b" \n")
    assert found("notes/empty.txt", "word").notes == ("notes/empty.txt is empty",)


def test_a_file_that_may_not_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InputError, match="word cannot be read: Permission denied"):
        found("word")


_PARTS = st.sampled_from(
    [
        "notes",
        "word",
        "a.txt",
        ".",
        "..",
        "~",
        " ",
        "roof",
        ".md",
        "\\",
        "*",
        "?",
        "-",
        "é",
        "\0",
        "\n",
        ":",
        "x://",
    ]
)


@given(st.lists(st.lists(_PARTS, max_size=5).map("".join), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_is_ever_ranked_as_its_own_name(home: Path, arguments: list[str]) -> None:
    """Whatever the arguments: texts that are no paths, or what sources hold, or an error with a next step."""
    try:
        reading = found(*arguments)
    except InputError as error:
        assert error.hint
        return
    given_as_text = [each.text for each in reading.passages if each.source is None]
    assert given_as_text in ([], arguments)
    for text in given_as_text:
        assert not exists(text)
        assert not looks_like_path(text)
