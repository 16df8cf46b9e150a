"""Files sent as a form are read by the one reader of documents, within bounds, and ranked like any other request."""

import json
import tracemalloc

import httpx
import pytest
from serving import DOCUMENTS, QUERY, Server

from yesrank.documents import bounds
from yesrank.documents.bounds import TooMany
from yesrank.errors import InputError
from yesrank.serve.http.uploads import read_form

CSV = "id,title,text\n" + "".join(f"d{n},,{text}\n" for n, text in enumerate(DOCUMENTS))
FILES: dict[str, tuple[str, bytes]] = {
    "CSV": ("docs.csv", CSV.encode()),
    "TSV": ("docs.tsv", CSV.replace(",", "\t").encode()),
    "text": ("docs.txt", "\n".join(DOCUMENTS).encode()),
    "Windows lines": ("docs.txt", "\r\n".join(DOCUMENTS).encode()),
    "UTF-16": ("docs.txt", "\n".join(DOCUMENTS).encode("utf-16")),
    "JSONL": ("docs.jsonl", "\n".join(json.dumps({"body": text}) for text in DOCUMENTS).encode()),
    "JSON": ("anything", json.dumps(DOCUMENTS).encode()),
    "in a folder": ("C:\\notes\\docs.txt", "\n".join(DOCUMENTS).encode()),
}


def send(server: Server, files: object, path: str = "/v1/rerank", **fields: str) -> httpx.Response:
    return server.client.post(path, data={"query": QUERY, **fields}, files=files)


def scores(answer: httpx.Response) -> list[tuple[int, float]]:
    assert answer.status_code == 200, answer.text
    return [(row["index"], row["relevance_score"]) for row in answer.json()["results"]]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_gives_what_its_documents_give_as_json(server: Server, kind: str) -> None:
    wanted = scores(server.rerank({"query": QUERY, "documents": DOCUMENTS}))
    name, content = FILES[kind]
    answer = send(server, {"documents": (name, content)})
    assert scores(answer) == wanted
    assert f"{len(DOCUMENTS)} documents" in answer.headers["x-yesrank-note"]


def test_ids_come_back_with_the_documents(server: Server) -> None:
    answer = send(server, {"documents": FILES["CSV"]}, return_documents="true", top_n="1")
    assert [row["document"] for row in answer.json()["results"]] == [
        {"text": DOCUMENTS[1], "id": "d1", "source": "docs.csv:3"}
    ]


def test_several_files_and_texts_keep_their_order(server: Server) -> None:
    files = [
        ("documents", ("a.md", DOCUMENTS[0].encode())),
        ("documents", (None, DOCUMENTS[1].encode())),
        ("documents", ("b.txt", DOCUMENTS[2].encode())),
    ]
    assert scores(send(server, files)) == scores(server.rerank({"query": QUERY, "documents": DOCUMENTS}))


def test_other_shapes_and_a_query_from_a_file(server: Server) -> None:
    files = [("texts", FILES["text"]), ("query", ("question.txt", f"{QUERY}\n".encode()))]
    answer = server.client.post("/rerank", files=files)
    assert answer.json() == server.rerank({"query": QUERY, "texts": DOCUMENTS}, "/rerank").json()


def test_the_reader_is_told_what_it_should_not_find_out(server: Server) -> None:
    table = ("docs.csv", CSV.replace("text", "Inhalt").encode())
    refused = send(server, {"documents": table})
    assert refused.status_code == 400
    assert "the field field='Inhalt'" in refused.json()["message"]
    assert scores(send(server, {"documents": table}, field="Inhalt"))
    whole = send(server, {"documents": FILES["text"]}, split="whole")
    assert len(scores(whole)) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "a.pdf is a PDF file"),
        ("a.docx", b"PK\x03\x04 word/document.xml", "Word"),
        ("a.txt", b"\xff\xfe\x00", "damaged"),
        ("a.txt", b"gr\xfc\xdf", "is not UTF-8"),
        ("a.csv", b'id,text\n1,"open', "is not CSV"),
        ("a.json", b"[" * 5000, "is not JSON"),
        ("a.txt", b"", "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    server: Server, name: str, content: bytes, said: str
) -> None:
    answer = send(server, {"documents": (name, content)})
    assert answer.status_code == 400
    assert said in answer.json()["message"]


HEAD = '--x\r\nContent-Disposition: form-data; name="documents"; filename="a.txt"\r\n\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", f"{HEAD}a\r\n--x--"),
        ("multipart/form-data; boundary=", f"{HEAD}a\r\n--x--"),
        ('multipart/form-data; boundary="' + "x" * 99 + '"', f"{HEAD}a\r\n--x--"),
        ("multipart/form-data; boundary=y", f"{HEAD}a\r\n--x--"),
        ("multipart/form-data; boundary=x", f"{HEAD}a"),
        ("multipart/form-data; boundary=x", f"{HEAD}a\r\n--x\r\n"),
        ("multipart/form-data; boundary=x", "--x\r\nnothing\r\n--x--"),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"),
        ("multipart/form-data; boundary=x", "--x\r\nA: " + "b" * 5000 + "\r\n\r\na\r\n--x--"),
        ("multipart/form-data; boundary=x", "\r\n--x" * 2000 + "--"),
        ("multipart/form-data; boundary=x", ""),
    ],
)
def test_a_broken_form_is_refused(server: Server, content_type: str, body: str) -> None:
    answer = server.client.post("/v1/rerank", content=body.encode(), headers={"content-type": content_type})
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == "body"


def form(name: str, content: bytes, **fields: str) -> tuple[bytes, str]:
    made = httpx.Request("POST", "http://x", data=fields, files={"documents": (name, content)})
    return made.read(), made.headers["content-type"]


LARGE = 4_000_000
STRANGE = {
    "lines": ("a.txt", b"a\n" * (LARGE // 2)),
    "empty lines": ("a.txt", b"\n" * LARGE),
    "empty rows": ("a.csv", b"text\n" + b"\n" * LARGE),
    "paragraphs": ("a.txt", b"a\n\n" * (LARGE // 3)),
    "rows": ("a.csv", b"text\n" + b"a\n" * (LARGE // 2)),
    "cells": ("a.csv", b"text,b\n" + b"ab," * (LARGE // 3)),
    "quoted cells": ("a.csv", b"text,b\n" + b'"ab",' * (LARGE // 5)),
    "cells of TSV": ("a.tsv", b'text\tb\n"' + b"ab\t" * (LARGE // 3)),
    "an array": ("a.json", b"[" + b"[]," * (LARGE // 3) + b"1]"),
    "strings": ("a.json", b"[" + b'"",' * (LARGE // 3) + b'""]'),
    "numbers": ("a.jsonl", b"1\n" * (LARGE // 2)),
    "values": ("a.json", b"1 " * (LARGE // 2)),
    "strings a line": ("anything", b'""\n' * (LARGE // 3)),
    "objects a line": ("a.jsonl", b"{}\n" * (LARGE // 3)),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_file_of_very_many_parts_takes_little_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_LINES", 50_000)
    name, content = STRANGE[kind]
    split = {"split": "paragraphs"} if kind == "paragraphs" else {}
    raw, content_type = form(name, content, **split)
    tracemalloc.start()
    try:
        if kind == "empty lines":
            assert read_form(raw, content_type, 1000).members["documents"] == []
        else:
            with pytest.raises(InputError) as caught:
                read_form(raw, content_type, 1000)
            assert isinstance(caught.value, TooMany) or kind in ("objects a line", "numbers", "values")
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 10 * LARGE


def test_more_documents_than_a_request_may_have(server: Server) -> None:
    answer = send(server, {"documents": ("a.txt", b"a\n" * 10_001)})
    assert answer.status_code == 413
    assert answer.json()["field"] == "documents"
