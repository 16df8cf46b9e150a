"""Bytes with a name -> documents: what each kind of file is read as, and what is said about bad ones."""

import base64
import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from yesrank.documents import Options, Passage, read_source
from yesrank.errors import InputError

# a zero byte is how binary files are told from text
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
FILLED = TEXTS.filter(str.strip)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])


def texts(data: bytes, name: str, **options: str) -> list[str]:
    return [passage.text for passage in read_source(data, name, Options(**options)).passages]


def written(rows: list[list[str]], **how: str) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, **how).writerows(rows)
    return stream.getvalue()


# those that the page's reader is tested on, too: web/tests/page/reading.test.ts
CASES = json.loads((Path(__file__).parents[2] / "cases" / "documents.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_cases_shared_with_the_page(case: dict) -> None:
    data = case["text"].encode() if "text" in case else base64.b64decode(case["base64"])
    options = Options(**case.get("options", {}))
    if "refused" in case:
        with pytest.raises(InputError, match=re.escape(case["refused"])):
            read_source(data, case["name"], options)
        return
    part = read_source(data, case["name"], options)
    assert {
        "what": part.what,
        "texts": [passage.text for passage in part.passages],
        "ids": [passage.id for passage in part.passages],
        "notes": len(part.notes),
    } == case["read"]


# what is written by the usual means is read back


@given(
    st.lists(TEXTS, min_size=1),
    ENCODINGS,
    st.sampled_from([None, 2]),
    st.sampled_from(["", ".json", ".jsonl"]),
)
def test_a_json_array(documents: list[str], encoding: str, indent: int | None, ending: str) -> None:
    data = json.dumps(documents, ensure_ascii=False, indent=indent).encode(encoding)
    assert texts(data, f"stream{ending}") == documents
    wrapped = json.dumps({"query": "q", "documents": documents}, indent=indent).encode(encoding)
    assert texts(wrapped, f"stream{ending}") == documents


@given(
    st.lists(st.fixed_dictionaries({"id": TEXTS, "text": TEXTS}), min_size=1),
    ENCODINGS,
    st.sampled_from(["", ".jsonl", ".json"]),
)
@example([{"id": "", "text": "a\u2028b\x85c\rd"}], "utf-8", "")
def test_json_a_line(records: list[dict[str, str]], encoding: str, ending: str) -> None:
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    passages = read_source(lines.encode(encoding), f"stream{ending}").passages
    assert [(passage.text, passage.id) for passage in passages] == [
        (each["text"], each["id"] or None) for each in records
    ]


@given(
    st.lists(st.tuples(TEXTS, FILLED), min_size=1),
    ENCODINGS,
    st.sampled_from([("csv", ","), ("csv", ";"), ("csv", "\t"), ("tsv", "\t")]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_a_table(records: list[tuple[str, str]], encoding: str, kind: tuple[str, str], end: str) -> None:
    ending, delimiter = kind
    # the csv module quotes the letters of its own line end only, and reads either
    assume(end == "\r\n" or not any("\r" in cell for record in records for cell in record))
    text = written([["id", "text"], *map(list, records)], delimiter=delimiter, lineterminator=end)
    passages = read_source(text.encode(encoding), f"a.{ending}").passages
    assert [(each.text, each.id) for each in passages] == [(text, name or None) for name, text in records]


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"])).filter(str.strip),
        min_size=1,
    ),
    ENCODINGS,
    st.sampled_from(["\n", "\r\n"]),
)
def test_text_a_line(documents: list[str], encoding: str, end: str) -> None:
    assume(not documents[0].startswith("\ufeff"))
    data = end.join(documents).encode(encoding)
    assert texts(data, "a.txt") == documents


@given(FILLED, ENCODINGS)
def test_markdown_as_a_whole(text: str, encoding: str) -> None:
    assume(not text.startswith("\ufeff") and text.strip("\r\n"))
    assert texts(text.encode(encoding), "a.md", format="markdown") == [text.strip("\r\n")]


@given(TEXTS)
def test_a_text_of_unknown_kind_is_read_or_refused_with_a_next_step(text: str) -> None:
    try:
        part = read_source(text.encode(), "stream")
    except InputError as error:
        assert error.hint
        return
    assert part.what
    if part.what.startswith("text"):
        assert [each.text for each in part.passages] == [
            line.removesuffix("\r")
            for line in (text if "\n" in text else text.replace("\r", "\n"))
            .removeprefix("\ufeff")
            .split("\n")
            if line.strip()
        ]


# what content without a name is taken for


@pytest.mark.parametrize(
    ("content", "what", "documents"),
    [
        ('["one", "two"]', "JSON, strings", ["one", "two"]),
        ('[\n  {"text": "one"}\n]\n', "JSON, field text", ["one"]),
        ('{ "text": "one" }\n{\t"text": "two"}\n', "JSONL, field text", ["one", "two"]),
        ('{"text": "one"}', "JSONL, field text", ["one"]),
        ('{\n "text": "one"\n}\n{\n "text": "two"\n}\n', "JSON values, field text", ["one", "two"]),
        ('{"query": "q", "documents": ["one"]}', "JSON, strings", ["one"]),
        ('"one"\n"two"\n', "JSONL, strings", ["one", "two"]),
        ('"one", she said.\ntwo', "text, one a line", ['"one", she said.', "two"]),
        ('"One."\nTwo.', "text, one a line", ['"One."', "Two."]),
        ("[1] Smith et al.\n[2] Doe", "text, one a line", ["[1] Smith et al.", "[2] Doe"]),
        ("[a link](b.md)", "text, one a line", ["[a link](b.md)"]),
        ("{name} is here", "text, one a line", ["{name} is here"]),
        ("id,text\n1,one\n", "CSV, column text", ["one"]),
        ("id\tText\n1\tone\n", "TSV, column Text", ["one"]),
        ("one, two\nthree", "text, one a line", ["one, two", "three"]),
        ("one\r\n\n  two \u2028 still two\n", "text, one a line", ["one", "  two \u2028 still two"]),
        ("one\rtwo\r", "text, one a line", ["one", "two"]),
    ],
)  # fmt: skip
def test_content_without_a_name(content: str, what: str, documents: list[str]) -> None:
    part = read_source(content.encode(), "standard input")
    assert (part.what, [each.text for each in part.passages]) == (what, documents)


def test_what_was_taken_otherwise_than_it_began_is_said() -> None:
    assert "line 2 is not JSON" in read_source(b'"One."\nTwo.', "stream").notes[0]
    assert "--format jsonl" in read_source(b'{"text": "a"}\n', "a.txt").notes[0]
    assert "1 of 2 documents are empty" in read_source(b'["", "a"]', "a.json").notes[0]


@pytest.mark.parametrize(
    ("content", "options", "documents"),
    [
        ('["one"]\n', {"format": "text"}, ['["one"]']),
        ("a\nb\n\n \n\nc\n", {"split": "paragraphs"}, ["a\nb", "c"]),
        ("\n\na\r\nb\r\n\r\nc", {"split": "paragraphs"}, ["a\nb", "c"]),
        ("a\n\nb\n", {"split": "whole"}, ["a\n\nb"]),
        ("# a\n\nb\n", {"format": "markdown"}, ["# a\n\nb"]),
        ("# a\n\nb\n", {"format": "markdown", "split": "lines"}, ["# a", "b"]),
        ('{"text": "a", "summary": "b"}', {"field": "summary"}, ["b"]),
        ("x,y\n1,2\n", {"format": "csv", "field": "y"}, ["2"]),
        ("x,y\n1,2\n", {"format": "csv", "field": "2"}, ["y", "2"]),
        ("<html><p>a</html>", {"format": "text"}, ["<html><p>a</html>"]),
    ],
)  # fmt: skip
def test_what_the_reader_is_told_goes_before_what_it_sees(
    content: str, options: dict[str, str], documents: list[str]
) -> None:
    assert texts(content.encode(), "stream", **options) == documents


def test_records_by_their_usual_names() -> None:
    lines = [
        {"_id": "a", "title": "Title", "text": "text"},
        {"id": "b", "document": "document"},
        {"contents": "contents", "title": ""},
        {"Page_Content": "loader", "id": 7},
        "bare",
    ]
    part = read_source("\n".join(map(json.dumps, lines)).encode(), "d.jsonl")
    assert part.passages == (
        Passage("Title text", "a", "d.jsonl:1"),
        Passage("document", "b", "d.jsonl:2"),
        Passage("contents", None, "d.jsonl:3"),
        Passage("loader", "7", "d.jsonl:4"),
        Passage("bare", None, "d.jsonl:5"),
    )
    assert part.what == "JSONL, fields text, document, contents, Page_Content"


@pytest.mark.parametrize(
    ("name", "content", "what", "documents"),
    [
        ("a.csv", "sep=;\r\nid;text\r\n1;a;\r\n", "CSV with semicolons, column text", ["a"]),
        ("a.csv", "title,text\nT,a\n,b\n", "CSV, column text", ["T a", "b"]),
        ("a.csv", "only one column\nno names\n", "CSV, column 1, no row of names", ["only one column", "no names"]),
        ("a.csv", 'text\n"a, ""b""\nc"\n', "CSV, column text", ['a, "b"\nc']),
        ("a.tsv", 'id\ttext\n1\tsay "hi\n2\t"b" c\n', "TSV, column text", ['say "hi', '"b" c']),
        ("a.csv", f"text\n{'x' * 200_000}\n", "CSV, column text", ["x" * 200_000]),
    ],
)  # fmt: skip
def test_tables(name: str, content: str, what: str, documents: list[str]) -> None:
    part = read_source(content.encode(), name)
    assert (part.what, [each.text for each in part.passages]) == (what, documents)


def test_places_are_the_lines_at_which_documents_begin() -> None:
    table = read_source(b'text\n"a\nb"\nc\n', "t.csv").passages
    assert [each.source for each in table] == ["t.csv:2", "t.csv:4"]
    parts = read_source(b"\n\na\nb\n\n\nc\n", "t.txt", Options(split="paragraphs")).passages
    assert [each.source for each in parts] == ["t.txt:3", "t.txt:7"]


def office(inside: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "x" * 9000)
        archive.writestr(inside, "text")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("a.jsonl", b'"good"\n{"text": \n', "line 2 is not JSON", "--format text"),
        ("a.jsonl", b'"good"\n\n{"wrong": "x"}\n', "line 3 has no text; it has wrong", "--field wrong"),
        ("a.jsonl", b'{"text": "a"}\n{"text"\n', r"line 2 is not JSON: .* delimiter .column 8.\n", "correct it"),
        ("a.json", b'{"data": [{"text": "a"}]}', "no text; it has a list under 'data'", '"documents"'),
        ("a.jsonl", b"[1, 2]\n", "entry 1 has no text", '{"text"'),
        ("a.jsonl", b'{"text": 5}\n', "line 1 has no text", '{"text"'),
        ("a.jsonl", b'"good"\n"caf\xe9"\n', "not UTF-8 .line 2.", "iconv.* a.jsonl [|]"),
        ("a.json", b'["a", "b"', "a.json is not JSON", "--format text"),
        ("a.json", b'{"documents": [{"text": "a"}, {}]}', "entry 2 has no text", '{"text"'),
        ("a.json", b'{"d1": "a", "d2": "b"}', "has no text; it has d1, d2", "--field"),
        ("stream", b'["a", "b"', "is not JSON", "--format text"),
        ("stream", b'{"text": "a"}\n{', "line 2 is not JSON", "--format text"),
        ("a.csv", b"id,text\n1,Hello, world\n", "line 2 has 3 columns, not 2", "quote"),
        ("a.csv", b"id,text\n1\n", "line 2 has 1 columns, not 2", "quote"),
        ("a.csv", b'id,text\n1,"a\n2,b\n', "not CSV.*line 2", "doubled"),
        ("a.csv", b"key,remark\n1,a\n", "no column.*key, remark", "--field 'key'"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\n", "a.pdf is a PDF", "pdftotext a.pdf"),
        ("standard input", b"%PDF-1.7\n", "is a PDF", "pdftotext FILE"),
        ("my a.docx", office("word/document.xml"), "a Word document", "pandoc.*'my a.docx'"),
        ("a.xlsx", office("xl/workbook.xml"), "an Excel file", "CSV"),
        ("a.zip", office("notes.txt"), "a ZIP archive", "unpack"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1", "old Office", "save"),
        ("a.txt", b"{\\rtf1 hello}", "an RTF file", "pandoc"),
        ("a.jsonl.gz", b"\x1f\x8b\x08\0", "gzip", "gzip -dc a.jsonl.gz"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0", "a picture", "text"),
        ("a.html", b"<!DOCTYPE html>\n<p>a", "a web page", "pandoc.*--format text"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid 0\n", "a Git LFS pointer", "git lfs pull"),
        ("a.bin", b"\x01\x02\0\xff", "a binary file", "text"),
        ("a.txt", "a text".encode("utf-16-le"), "UTF-16LE without its mark", "iconv -f UTF-16LE"),
        ("a.txt", "a text".encode("utf-16-be"), "UTF-16BE without its mark", "iconv -f UTF-16BE"),
        ("a.txt", "a".encode("utf-16") + b"\0", "is damaged", "save it again"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_as_what_it_is(
    name: str, content: bytes, message: str, hint: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_source(content, name)
    assert caught.value.field == "documents"
    assert caught.value.hint is not None
    assert re.search(hint, caught.value.hint)


@pytest.mark.parametrize("options", [{"format": "yaml"}, {"split": "words"}])
def test_options_that_are_not_known(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match="not known"):
        Options(**options)
