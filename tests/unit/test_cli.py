"""The command line: exit codes, what goes to which stream, and what the verbs print."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stand_ins import WordOverlapReranker
from typer.testing import CliRunner, Result

from yesrank.cli import output
from yesrank.cli.demo import questions
from yesrank.cli.main import app
from yesrank.errors import InputError

DOCUMENTS = ["Berlin is a city in Germany", "The capital of France is Paris", "nothing"]
QUERY = "what is the capital of france"


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, env={"COLUMNS": "90", "NO_COLOR": "1"})


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from yesrank.cli.main import main; main()", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


# exit codes, in a process of their own


def test_help_is_quick_since_it_loads_nothing_that_computes_or_serves() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "yesrank", "--help"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert "rerank" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    heavy = {
        "numpy",
        "openvino",
        "onnxruntime",
        "onnx",
        "tokenizers",
        "huggingface_hub",
        "starlette",
        "uvicorn",
    }
    assert not loaded & heavy


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("rerank",),
        ("no-such-verb",),
        ("rerank", "q", "d", "--top-n", "0"),
        ("rerank", "q", "--no-such-option"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("rerank", "", "d"), b"", "query: it is empty"),
        (("rerank", " \n", "d"), b"", "query: it is empty"),
        (("rerank", "\u200b", "d"), b"", "query: it is empty"),
        (("rerank", "q"), b"", "documents: there are none"),
        (("rerank", "q", "-"), b"caf\xe9", "not UTF-8"),
        (("rerank", "q", "-"), b'{"text": "a"}\n{', "line 2 is not JSON"),
        (("inspect", "no-such-folder"), b"", "there is no folder"),
    ],
)
def test_failure_is_1_with_message_and_next_step(
    arguments: tuple[str, ...], stdin: bytes, message: str
) -> None:
    done = run(*arguments, stdin=stdin)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert done.stdout == b""
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert lines[1].startswith("next: ")
    assert len(lines) == 2


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.strip().startswith(b"0.")


def test_interruption_is_130() -> None:
    code = (
        "import yesrank.cli.rerank as verb\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "verb.read_documents = stop\n"
        "from yesrank.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "rerank", "q", "d"], capture_output=True, check=False)
    assert done.returncode == 130


def test_a_closed_pipe_is_quiet() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from yesrank.cli.main import main; main()"
    done = subprocess.run(
        f'"{sys.executable}" -c "{code}" | true', shell=True, capture_output=True, check=False
    )
    assert done.stderr == b""


# rerank


def test_table(fake_reranker: type[WordOverlapReranker]) -> None:
    done = invoke("rerank", QUERY, *DOCUMENTS)
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert "score" in lines[0]
    assert "logit" in lines[0]
    assert "Paris" in lines[1]
    assert " 1 " in lines[1]
    assert len(lines) == 1 + len(DOCUMENTS)
    assert "\x1b" not in done.stdout
    assert "builtin, a small one" in done.stderr


def test_long_documents_are_cut_to_the_width_and_truncation_is_marked(
    fake_reranker: type[WordOverlapReranker],
) -> None:
    done = invoke("rerank", QUERY, "line one\nline two " * 100, "--no-logits")
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert "[cut] line one line two" in lines[1]
    assert all(len(line) <= 90 for line in lines)
    assert "logit" not in lines[0]


def test_control_characters_do_not_reach_the_terminal(fake_reranker: type[WordOverlapReranker]) -> None:
    done = invoke("rerank", QUERY, "red \x1b[31m alarm \x07 [bold]not markup[/bold]")
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "[bold]not markup[/bold]" in done.stdout


def test_json(fake_reranker: type[WordOverlapReranker]) -> None:
    lines = "\n".join(json.dumps({"id": f"d{i}", "text": text}) for i, text in enumerate(DOCUMENTS))
    done = invoke("rerank", QUERY, "-", "--json", "--top-n", "2", stdin=lines)
    data = json.loads(done.stdout)
    assert [hit["id"] for hit in data["results"]] == ["d1", "d0"]
    assert [hit["index"] for hit in data["results"]] == [1, 0]
    assert set(data["results"][0]) == {
        "index",
        "id",
        "source",
        "score",
        "logit",
        "truncated",
        "passage",
        "text",
    }
    assert data["query"] == QUERY
    assert data["engine"] == "fake"


def test_a_threshold_leaves_out_what_scores_less(fake_reranker: type[WordOverlapReranker]) -> None:
    shown = json.loads(invoke("rerank", QUERY, *DOCUMENTS, "--json", "--threshold", "0.5").stdout)
    assert [hit["index"] for hit in shown["results"]] == [1]
    nothing = invoke("rerank", QUERY, *DOCUMENTS, "--threshold", "1")
    assert (nothing.exit_code, "no document has a score of 1 or more" in nothing.stderr) == (0, True)
    assert "Paris" not in nothing.stdout


@pytest.mark.parametrize("value", ["1.01", "-0.1", "nan"])
def test_a_threshold_is_a_score(value: str) -> None:
    done = invoke("rerank", QUERY, "d", "--threshold", value)
    assert isinstance(done.exception, InputError)
    assert "threshold: must be a number from 0 to 1" in str(done.exception)


@pytest.mark.parametrize(("given", "told"), [("", True), (" \u200b", True), ("why", False)])
def test_an_empty_instruction_is_told(
    given: str, told: bool, fake_reranker: type[WordOverlapReranker]
) -> None:
    done = invoke("rerank", "q", "d", "--instruction", given, "--quiet")
    assert ("the instruction is empty" in done.stderr) == told
    assert fake_reranker.calls[0]["instruction"] == given


def test_json_survives_lone_surrogates(fake_reranker: type[WordOverlapReranker]) -> None:
    done = invoke("rerank", QUERY, "-", "--json", stdin='"a \\ud800 b"\n')
    assert json.loads(done.stdout)["results"][0]["text"] == "a \ud800 b"


def test_ids_stand_in_the_table(fake_reranker: type[WordOverlapReranker]) -> None:
    done = invoke("rerank", QUERY, "-", stdin='{"id": "doc-42", "text": "capital"}\n"no id"\n')
    assert "doc-42" in done.stdout


def test_options_reach_the_reranker(fake_reranker: type[WordOverlapReranker], tmp_path: Path) -> None:
    options = "--device GPU --precision f32 --template chat --max-length 99 --instruction why -n 1"
    options += " --engine onnx --variant q4 --engine-option depth=3 --engine-option kind=x"
    done = invoke("rerank", "q", "d", "--model", str(tmp_path), *options.split())
    assert done.exit_code == 0
    assert fake_reranker.calls == [
        {
            "model": tmp_path,
            "device": "GPU",
            "precision": "f32",
            "engine": "onnx",
            "variant": "q4",
            "engine_options": {"depth": 3, "kind": "x"},
            "template": "chat",
            "max_length": 99,
            "query": "q",
            "instruction": "why",
            "top_n": 1,
        }
    ]
    assert "builtin" not in done.stderr


def test_the_model_may_come_from_the_environment(
    fake_reranker: type[WordOverlapReranker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("YESRANK_MODEL", str(tmp_path))
    invoke("rerank", "q", "d")
    assert fake_reranker.calls[0]["model"] == tmp_path


# demo


def test_demo_ranks_every_question(fake_reranker: type[WordOverlapReranker]) -> None:
    done = invoke("demo")
    assert done.exit_code == 0
    assert all(question["query"] in done.stdout for question in questions())
    assert len(json.loads(invoke("demo", "--json").stdout)) == len(questions())


def test_demo_questions_are_sound() -> None:
    for question in questions():
        assert 8 <= len(question["documents"]) <= 10
        assert 0 <= question["best"] < len(question["documents"])
        assert len(set(question["documents"])) == len(question["documents"])


# inspect


def test_inspect_takes_every_name_that_list_shows() -> None:
    assert invoke("inspect", "builtin").exit_code == 0


def test_inspect_names_empty_files(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").touch()
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    done = invoke("inspect", str(tmp_path), "--json")
    problems = json.loads(done.stdout)["problems"]
    assert done.exit_code == 1
    assert any("openvino_model.xml is empty" in problem for problem in problems)
    assert any("Git LFS pointer" in problem for problem in problems)


def test_inspect_sees_weights_that_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").write_text('<net><data offset="64" size="100"/></net>')
    (tmp_path / "openvino_model.bin").write_bytes(bytes(100))
    done = invoke("inspect", str(tmp_path))
    assert done.exit_code == 1
    assert "is cut short: it has 100 bytes" in done.stdout.replace("\n", " ")


# output


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, "    "), (1, "████"), (0.5, "██  "), (0.03125, "▏   "), (-1, "    "), (2, "████")],
)
def test_bar(share: float, drawn: str) -> None:
    assert output.bar(share, width=4) == drawn


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (1.2e9, "1.2 GB"), (3e12, "3.0 TB")]
)
def test_size(count: float, text: str) -> None:
    assert output.size(count) == text


def test_printable_keeps_text_and_replaces_what_a_terminal_would_obey() -> None:
    assert output.printable("a\tb\nc \x9b \ud800 é 日本") == "a b c � � é 日本"


# doctor


def test_doctor_reports_the_machine_and_the_self_test(fake_reranker: type[WordOverlapReranker]) -> None:
    done = invoke("doctor", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["self_test"] == "ok"
    assert "CPU" in found["devices"]
    assert found["packages"]["openvino"]
    assert found["cores"] >= 1
    assert "built-in model" in invoke("doctor").stdout
