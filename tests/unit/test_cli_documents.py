"""Where documents come from: arguments, standard input, files; and what is said about bad ones."""

import io
import json
import sys
from pathlib import Path

import pytest

from yesrank.cli.documents import Passage, read_passages
from yesrank.errors import InputError


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_arguments() -> None:
    assert read_passages(["one", "two"]) == [Passage("one"), Passage("two")]


def test_one_argument_is_a_document_where_no_file_has_that_name() -> None:
    assert read_passages(["Paris is the capital."]) == [Passage("Paris is the capital.")]


def test_a_long_argument_is_a_document() -> None:
    assert read_passages(["x" * 100_000]) == [Passage("x" * 100_000)]


@pytest.mark.parametrize("arguments", [["-"], []])
def test_standard_input_a_document_a_line(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    stdin(monkeypatch, "one\r\n\n  two \u2028 still two\n".encode())
    assert read_passages(arguments) == [Passage("one"), Passage("  two \u2028 still two")]


def test_standard_input_as_jsonl(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b'\xef\xbb\xbf{"text": "one", "id": 7}\n"two"\n')
    assert read_passages(["-"]) == [Passage("one", "7"), Passage("two")]


def test_jsonl_file(tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl"
    lines = [
        {"_id": "a", "title": "Title", "text": "text"},
        {"id": "b", "document": "document"},
        {"contents": "contents", "title": ""},
        "bare",
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert read_passages([str(path)]) == [
        Passage("Title text", "a"),
        Passage("document", "b"),
        Passage("contents"),
        Passage("bare"),
    ]


def test_text_file(tmp_path: Path) -> None:
    path = tmp_path / "documents.txt"
    path.write_text('{"text": "not JSON here"}\nzwei ä\n', encoding="utf-8")
    assert read_passages([str(path)]) == [Passage('{"text": "not JSON here"}'), Passage("zwei ä")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'"good"\n{"text": \n', "line 2 is not JSON"),
        (b'"good"\n\n{"body": "x"}\n', "line 3 has no text"),
        (b"[1, 2]\n", "line 1 has no text"),
        (b'{"text": 5}\n', "line 1 has no text"),
        (b'"good"\n"caf\xe9"\n', r"not UTF-8 \(line 2\)"),
        (b"\n \n", "there are none"),
        (b"", "there are none"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_passages([str(path)])
    assert caught.value.field == "documents"
    assert caught.value.hint


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"no file missing\.jsonl"):
        read_passages(["missing.jsonl"])


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF")
    with pytest.raises(InputError, match="neither"):
        read_passages([str(path)])
