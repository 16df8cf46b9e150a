"""What people see: streams that are full, closed or of another encoding, Ctrl-C, widths, help and second names."""

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from stand_ins import WordOverlapReranker
from typer.testing import CliRunner, Result

import yesrank
from yesrank.cli import main, output
from yesrank.cli.describe import describe
from yesrank.cli.main import VERBS, app
from yesrank.cli.verbs import ALIASES
from yesrank.errors import InputError

DOCS = (Path(__file__).parent.parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
FAKE = """
import yesrank.models.reranker as room
from stand_ins import WordOverlapReranker
room.Reranker = WordOverlapReranker
from yesrank.__main__ import main
main()
"""


def run(
    *arguments: str, code: str = FAKE, redirect: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environment}
    command = ["sh", "-c", f'"$0" "$@" {redirect}', sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, check=False, env=variables, timeout=120)


def invoke(*arguments: str, **environment: str | None) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"NO_COLOR": "1", **environment})


# streams


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_stream_that_cannot_hold_a_letter(encoding: str) -> None:
    for options in ((), ("--json",)):
        done = run("rerank", "roof", "日本 roof 😀", *options, PYTHONIOENCODING=encoding, COLUMNS="80")
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
        text = done.stdout.decode(encoding)
        if options:
            assert json.loads(text)["results"][0]["text"] == "日本 roof 😀"
        else:
            assert "?? roof" in text
            assert "#####" in text
    assert run("demo", PYTHONIOENCODING=encoding).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full")
@pytest.mark.parametrize(
    "arguments", [("rerank", "q", "d"), ("rerank", "q", "d", "--json"), ("--help",), ("list",)]
)
def test_a_full_disk_is_one_message(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, redirect=">/dev/full")
    lines = [
        line for line in done.stderr.decode().splitlines() if line.startswith(("error", "next", "model", " "))
    ]
    assert done.returncode == 1
    assert lines == [
        "error: the output could not be written: No space left on device",
        "next: free some space, or write to another place",
    ]
    both = run(*arguments, redirect=">/dev/full 2>/dev/full")
    assert both.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full")
def test_notes_that_cannot_be_written_stop_no_work() -> None:
    done = run("rerank", "roof", "the roof", "a door", "--json", redirect="2>/dev/full")
    assert done.returncode == 0
    assert [hit["index"] for hit in json.loads(done.stdout)["results"]] == [0, 1]
    for wrong, code in ((("rerank", "q", "./nothing.txt"), 1), (("rerank", "--nonsense"), 2)):
        assert run(*wrong, redirect="2>/dev/full").returncode == code


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix")
def test_closed_streams_are_no_error() -> None:
    for redirect in (">&-", "2>&-", ">&- 2>&-"):
        done = run("rerank", "q", "d", redirect=redirect)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    done = run("rerank", "q", *map(str, range(9000)), redirect="| head -1")
    assert b"Traceback" not in done.stderr
    done = run("rerank", "q", redirect="<&-")
    assert (done.returncode, b"standard input is empty" in done.stderr) == (1, True)


def test_a_place_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("convert", "builtin", str(tmp_path / "file" / "folder"))
    assert (done.returncode, b"Traceback" in done.stderr, b"next: " in done.stderr) == (1, False, True)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "place"), NotADirectoryError(20, "x", "place")]
)
def test_what_no_room_has_foreseen_of_a_place_is_one_message(
    error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit, match="1"):
        main.main()
    assert capsys.readouterr().err.startswith(f"error: place: {error.strerror}\nnext: ")


def test_a_file_in_the_place_of_the_question(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("d\n")
    done = invoke("rerank", str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    assert isinstance(done.exception, InputError)
    assert "is a file, and would be the question" in done.exception.message


def test_standard_input_is_read_where_all_is_said_to_be_text() -> None:
    done = run("rerank", "q", "--text", redirect="<<E\nthe only document\nE")
    assert b"the only document" in done.stdout


INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == WHERE:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from yesrank.__main__ import main
main()
"""


def test_little_is_imported_before_ctrl_c_is_quiet() -> None:
    """Whatever is imported on the way to the handler is time in which Ctrl-C shows where in it Python was."""
    code = f"import sys; sys.path.insert(0, {str(Path(yesrank.__file__).parent.parent)!r}); import yesrank.__main__\n"
    code += "print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]  # without site, which imports what it likes
    loaded = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert {name for name in loaded if name.startswith("yesrank")} == {
        "yesrank",
        "yesrank.__main__",
        "yesrank.errors",
        "yesrank.telemetry",
    }
    assert not {"typing", "pathlib", "re", "importlib"} & {*loaded}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(
    "where", ["typer", "yesrank.cli.main", "yesrank.models.reranker", "numpy", "openvino"]
)
def test_ctrl_c_during_an_import(where: str) -> None:
    done = run("rerank", "q", "d", code=INTERRUPTED_IMPORT.replace("WHERE", repr(where)))
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr
    assert b"ignored" not in done.stderr


def test_a_parent_that_wants_ctrl_c_ignored_is_heeded() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + FAKE
    code += "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN"
    assert (
        run(
            "rerank", "q", "d", code=code.replace("main()\n", "try: main()\nexcept SystemExit: pass\n")
        ).returncode
        == 0
    )


# widths


def test_documents_are_whole_where_no_person_reads_and_with_full(
    fake_reranker: type[WordOverlapReranker],
) -> None:
    text = "a long document " * 60 + "its end"
    piped = invoke("rerank", "end", text, "no", COLUMNS=None).stdout.splitlines()
    assert [line.split("  ")[0] for line in piped] == ["1", "2"]
    assert piped[0].endswith("its end")
    assert "[cut] a long" in piped[0]
    assert "its end" not in invoke("rerank", "end", text, COLUMNS="80").stdout
    full = invoke("rerank", "end", text, "--full", COLUMNS="80").stdout
    assert "its end" in full
    assert max(map(len, full.splitlines())) <= 80


def test_progress_is_shown_on_a_terminal_only(
    fake_reranker: type[WordOverlapReranker], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ranking" not in invoke("rerank", "q", "d").stderr
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr(output, "stderr_console", lambda: console)
    invoke("rerank", "q", *["d"] * 300)
    assert "loading builtin" in screen.getvalue()
    assert re.search(r"ranking.*300/300", screen.getvalue())
    screen.truncate(0)
    invoke("rerank", "q", "d", "--quiet")
    assert "ranking" not in screen.getvalue()


def test_quiet_leaves_errors_and_warnings(fake_reranker: type[WordOverlapReranker], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "one.txt").write_text("d")
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    assert invoke("rerank", "q", "d", "-q").stderr == ""
    assert "empty.txt is empty" in invoke("rerank", "q", *files, "-q").stderr
    assert run("rerank", "q", "missing.txt", "-q").stderr.startswith(b"error: ")
    assert "given as text" in invoke("rerank", "q", "d").stderr


# words


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_help_is_the_text_of_the_documentation(verb) -> None:
    for option in ("-h", "--help"):
        shown = invoke(verb.__name__, option, COLUMNS="80")
        assert shown.exit_code == 0
        assert max(map(len, shown.stdout.splitlines())) <= 80
        assert "<" not in shown.stdout
        words = " ".join(shown.stdout.split())
        found = describe(verb)
        for row in (*found.arguments, *found.options):
            assert " ".join(row.help.split()) in words
            assert row.help.replace("|", "\\|") in DOCS
            assert (
                ", ".join((*row.names, *filter(None, [row.values]))).replace(
                    f", {row.values}", f" {row.values}"
                )
                in words
            )
        for paragraph in found.paragraphs:
            assert paragraph in words
            assert paragraph in DOCS


def test_second_names_and_the_module() -> None:
    for other, name in ALIASES.items():
        assert describe_of(invoke(other, "--help").stdout) == describe_of(invoke(name, "--help").stdout)
        assert f"{other} for {name}" in invoke("--help").stdout
    done = run("list", code="import runpy; runpy.run_module('yesrank', run_name='__main__')")
    assert done.returncode == 0
    assert b"builtin" in done.stdout


def describe_of(text: str) -> str:
    return text.partition("\n")[2]


def test_completion() -> None:
    words = {"_YESRANK_COMPLETE": "complete_bash", "COMP_WORDS": "yesrank re", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'yesrank'\nfrom yesrank.__main__ import main\nmain()"
    assert run(code=code, **words).stdout.split() == [b"rerank", b"remove"]


def test_words_of_openarc(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "models.toml"))
    path = ("--model-path", str(folders["int8"]))
    options = ("--engine", "optimum", "--model-type", "rerank", "--device", "CPU")
    assert invoke("add", "--model-name", "mine", *path, *options).exit_code == 0
    assert "mine" in invoke("list").stdout
    assert "--model-name" in str(invoke("add", "x", "--model-name", "y", *path).exception)
    assert "it is missing" in str(invoke("add", *path).exception)

    served: list[object] = []
    monkeypatch.setattr(
        "yesrank.cli.serve._serve", lambda settings: served.append((settings.names, settings.port))
    )
    assert invoke("serve", "start", "--port", "9").exit_code == 0
    assert invoke("serve", "start", "mine").exit_code == 0
    assert served == [((), 9), (("mine",), 8000)]


def test_a_signal_is_not_changed_by_an_import() -> None:
    code = "import signal, yesrank.cli.main\nassert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    assert run(code=code).returncode == 0
