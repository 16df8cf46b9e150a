"""Which field is which, in JSONL and Parquet alike."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from yesrank.errors import InputError
from yesrank.jobs.pairs import Pair, Query
from yesrank.jobs.reading import read
from yesrank.jobs.trec import read_trec


def lines(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_query_with_candidates_of_every_form(tmp_path: Path) -> None:
    given = {
        "id": 7,
        "query": "q",
        "instruction": "find it",
        "documents": ["a", {"id": "x", "title": "T", "text": "b"}, None, {"text": None}],
    }
    query = Query("7", "q", "find it")
    assert read([lines(tmp_path / "a.jsonl", given)]).pairs == (
        Pair(0, 0, 0, query, None, "a"),
        Pair(1, 0, 1, query, "x", "T b"),
        Pair(2, 0, 2, query, None, None),
        Pair(3, 0, 3, query, None, None),
    )


def test_pairs_and_what_is_not_read_of_them(tmp_path: Path) -> None:
    one = {"qid": "q1", "query": "q", "docid": "d1", "passage": "a", "label": 1, "id": "row"}
    found = read([lines(tmp_path / "a.jsonl", one, {"query": "r", "document": "b"})])
    assert found.pairs == (
        Pair(0, 0, 0, Query("q1", "q"), "d1", "a"),
        Pair(1, 1, 0, Query(None, "r"), None, "b"),
    )
    assert found.notes == ("input: not read: label (1), id (1)",)


def test_parquet_reads_as_jsonl_does(tmp_path: Path) -> None:
    records = [
        {"query_id": "1", "query": "q", "documents": [{"id": "x", "text": "b"}, {"id": "y", "text": None}]},
        {"query_id": "2", "query": None, "documents": []},
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "nameless")
    wanted = read([lines(tmp_path / "a.jsonl", *records)])
    for name in ("a.parquet", "nameless"):
        found = read([tmp_path / name])
        assert (found.pairs, found.notes) == (wanted.pairs, wanted.notes)
    assert wanted.notes == ("input: 1 queries have no documents",)


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        lines(tmp_path / f"{name}.jsonl", {"query": name, "document": "d"})
    (tmp_path / "notes.md").write_text("no input")
    assert [(pair.query.text, pair.row, pair.record) for pair in read([tmp_path]).pairs] == [
        ("a", 0, 0),
        ("b", 1, 1),
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"document": "d"}, "line 1 has no query; it has document"),
        ({"query": "q", "label": 1}, "line 1 has no document"),
        ({"query": 3, "document": "d"}, "query must be a string, not int"),
        ({"query": "q", "document": ["d"]}, "document must be a string, not list"),
        ({"query": "q", "documents": "d"}, "documents must be a list"),
        ({"query": "q", "documents": [{"label": 1}]}, r"documents\[0\] has no text; it has label"),
        ({"query": "q", "document": "d", "query_id": 1.5}, "query_id must be a string or a whole number"),
        ({"query": "q", "document": "d", "query_id": "\ud800"}, "half a surrogate"),
        ({"query": "q", "documents": ["d"], "instruction": 1}, "instruction must be a string"),
    ],
)
def test_what_could_be_misread_is_refused_by_its_place(tmp_path: Path, record: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read([lines(tmp_path / "a.jsonl", record)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"query": "q", "document": "d"}\n{', "line 2 is not JSON"),
        (b"", "holds no pair"),
        (b"PAR1 and no more", "cannot be read"),
        (b'{"query": "q", "documents": []}\n', "holds no pair"),
    ],
)
def test_files_that_are_no_input(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read([tmp_path / "a.jsonl"])


def trec(tmp_path: Path, run: str) -> Path:
    lines(tmp_path / "corpus.jsonl", {"_id": "d1", "text": "one"}, {"_id": "d2", "text": "two"})
    lines(tmp_path / "queries.jsonl", {"_id": "q1", "text": "first?"})
    (tmp_path / "run.txt").write_text(run)
    return tmp_path


def test_a_run_gives_its_pairs_best_first_and_keeps_what_has_no_text(tmp_path: Path) -> None:
    at = trec(tmp_path, "q1 Q0 d1 1 1.0 t\nq1 Q0 d2 2 2.0 t\nq1 Q0 gone 3 0.5 t\nq2 Q0 d1 1 1 t\n")
    found = read_trec(at / "run.txt", at / "corpus.jsonl", at / "queries.jsonl")
    told = [(pair.query.id, pair.document_id, pair.document, pair.query.text) for pair in found.pairs]
    assert told == [
        ("q1", "d2", "two", "first?"),
        ("q1", "d1", "one", "first?"),
        ("q1", "gone", None, "first?"),
        ("q2", "d1", "one", None),
    ]
    best = read_trec(at / "run.txt", at / "corpus.jsonl", at / "queries.jsonl", top_k=1)
    assert [pair.document_id for pair in best.pairs] == ["d2", "d1"]


@pytest.mark.parametrize(("line", "what"), [("q9 Q0 d1 1 1 t\n", "query"), ("q1 Q0 d9 1 1 t\n", "document")])
def test_a_run_of_another_collection_is_refused(tmp_path: Path, line: str, what: str) -> None:
    at = trec(tmp_path, line)
    with pytest.raises(InputError, match=f"names no {what}"):
        read_trec(at / "run.txt", at / "corpus.jsonl", at / "queries.jsonl")
