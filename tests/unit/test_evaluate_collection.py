"""Reading collections: what is right, what is odd and said with a count, what is wrong and named by its line."""

import gzip
from pathlib import Path

import pytest
from small_collection import DOCUMENTS, QRELS, QUERIES, write_folder, write_lines

from yesrank.errors import InputError
from yesrank.evaluate import read_files, read_folder
from yesrank.evaluate.firststage import from_run
from yesrank.evaluate.trec import ranked, read_qrels, read_run, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "small")


def test_a_beir_folder(folder: Path) -> None:
    found = read_folder(folder)
    assert found.name == "small"
    assert found.documents["d1"] == "Bees Honey bees store honey in wax combs over the winter."
    assert found.documents["d2"] == DOCUMENTS["d2"][1]
    assert found.queries == QUERIES
    assert found.qrels == QRELS
    assert found.notes == ("queries: 1 of 4 have no judgments and are left out",)


def test_first_keeps_the_order_and_the_documents(folder: Path) -> None:
    found = read_folder(folder).first(2)
    assert [*found.qrels] == [*found.queries] == ["q1", "q2"]
    assert len(found.documents) == len(DOCUMENTS)


def test_separate_files_in_other_formats(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("a\tone text\nb\tanother\ttext\n")
    (tmp_path / "q.tsv").write_text("1\twhat is it\n")
    (tmp_path / "q.trec").write_text("1 0 a 1\n1 0 b 0\n")
    found = read_files(tmp_path / "c.tsv", tmp_path / "q.tsv", tmp_path / "q.trec")
    assert found.documents == {"a": "one text", "b": "another\ttext"}
    assert found.qrels == {"1": {"a": 1, "b": 0}}


def test_suffixes_in_capitals_and_gzip_by_any_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "C.TSV").write_text("d1\tone text\n")
    packed = {
        name: gzip.compress((folder / name).read_bytes()) for name in ("queries.jsonl", "qrels/test.tsv")
    }
    for name, data in packed.items():
        (folder / name).write_bytes(data)
    found = read_files(tmp_path / "C.TSV", folder / "queries.jsonl", folder / "qrels" / "test.tsv")
    assert found.documents == {"d1": "one text"}
    assert found.qrels == QRELS


def test_a_packed_folder(folder: Path) -> None:
    for path in [*folder.glob("*.jsonl"), folder / "qrels" / "test.tsv"]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_folder(folder).qrels == QRELS
    with pytest.raises(InputError, match=r"there is no .*dev\.tsv") as caught:
        read_folder(folder, "dev")
    assert caught.value.hint == "use --split with one of: test"


def test_ids_have_no_white_space_around_them(folder: Path) -> None:
    write_lines(folder / "corpus.jsonl", [{"_id": " d1\n", "text": "x"}, {"_id": 5, "text": "y"}])
    (folder / "qrels" / "test.tsv").write_text("q1\t d1\t1\nq1\t5 \t1\n")
    found = read_folder(folder)
    assert [*found.documents] == [*found.qrels["q1"]] == ["d1", "5"]


def test_only_lf_ends_a_line(folder: Path) -> None:
    write_lines(
        folder / "corpus.jsonl",
        [{"_id": "d1", "text": "one\u2028two\u0085three"}, {"_id": "d5", "text": "x"}],
    )
    assert read_folder(folder).documents["d1"] == "one\u2028two\u0085three"


def test_windows_files(folder: Path) -> None:
    for path in [*folder.glob("*.jsonl"), folder / "qrels" / "test.tsv"]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_folder(folder).qrels == QRELS


def test_unknown_ids_are_counted(folder: Path) -> None:
    with (folder / "qrels" / "test.tsv").open("a") as file:
        file.write("q1\tnowhere\t1\nq9\td1\t1\nq8\td1\t1\n")
    notes = read_folder(folder).notes
    assert "qrels: 2 queries are not in the queries file; their judgments are left out" in notes
    assert any(
        note.startswith("qrels: 1 of 6 judgments name documents that the corpus lacks") for note in notes
    )


def test_a_repeated_id_with_the_same_text_is_counted(folder: Path) -> None:
    path = folder / "corpus.jsonl"
    path.write_text(path.read_text() + path.read_text().split("\n")[0] + "\n")
    assert "corpus: 1 lines repeat an id with the same text; each counts once" in read_folder(folder).notes


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("corpus.jsonl", b"", "corpus: .* is empty"),
        ("corpus.jsonl", b"\n \n", "corpus: .* is empty"),
        ("corpus.jsonl", b'{"_id": "a", "text": "x"}\n{"_id": \n', "line 2 is not JSON"),
        ("corpus.jsonl", b'["a"]\n', "line 1 is not a JSON object"),
        ("corpus.jsonl", b'{"_id": "a"}\n', "line 1 has no text"),
        ("corpus.jsonl", b'{"text": "a"}\n', "line 1 has no id"),
        (
            "corpus.jsonl",
            b'{"_id": "a", "text": "x"}\n{"_id": "b", "text": "\xe9"}\n',
            r"not UTF-8 \(line 2\)",
        ),
        (
            "corpus.jsonl",
            b'{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n',
            "line 2: the id 'a' stands for two",
        ),
        ("corpus.jsonl", b'{"_id": "z", "text": "x"}\n', "names none of the 1 documents"),
        ("queries.jsonl", b'{"_id": "z", "text": "x"}\n', "names none of the 1 queries"),
        ("qrels/test.tsv", b"query-id\tcorpus-id\tscore\n", "qrels: .* is empty"),
        ("qrels/test.tsv", b"q1\td1\t1\nq1\td1\n", "line 2 is not a judgment"),
        ("qrels/test.tsv", b"q1\td1\t1\nq1\td1\t0\n", "line 2 judges 'd1' for 'q1' again"),
        ("qrels/test.tsv", b"q1\td1\t0.5\n", "line 1 is not a judgment"),
        ("qrels/test.tsv", b"q1\td1\tinf\nq1\td2\tnan\n", "line 1 is not a judgment"),
        ("qrels/test.tsv", b"q1\td1\t1e30\n", "line 1 is not a judgment: '1e30' is no grade"),
        ("qrels/test.tsv", b"q1\td1\t1700000000\n", "'1700000000' is no grade"),
        ("qrels/test.tsv", b"q1\td1\t1_0\nq2\td4\t1\n", "'1_0' is no grade"),
        ("qrels/test.tsv", b"q1\t\t1\nq2\td4\t1\n", "line 1 is not a judgment"),
        ("qrels/test.tsv", b"q1\td1\t1\t\n", "line 1 is not a judgment"),
        ("corpus.jsonl", b'{"_id": "a\\u0000b", "text": "x"}\n', "line 1: the id 'a.x00b' holds U.0000"),
        ("queries.jsonl", b'{"_id": "q\\ud800", "text": "x"}\n', "line 1: the id .* half a surrogate pair"),
        ("corpus.jsonl", b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        ("corpus.jsonl", gzip.compress(b"x" * 99)[:12] + b"\xff" * 99, "cannot be read"),
    ],
)
def test_bad_files_are_named_with_their_line(folder: Path, name: str, data: bytes, message: str) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_folder(folder)
    assert caught.value.hint


def test_utf_16_has_its_own_hint(folder: Path) -> None:
    path = folder / "corpus.jsonl"
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(InputError, match="not UTF-8") as caught:
        read_folder(folder)
    assert "-f UTF-16" in str(caught.value.hint)


def test_a_document_table_needs_ids(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("d1\tx\n\tno id\n")
    with pytest.raises(InputError, match="line 2 has no id"):
        read_files(tmp_path / "c.tsv", folder / "queries.jsonl", folder / "qrels" / "test.tsv")


def test_missing_files(folder: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        read_folder(folder / "nowhere")
    with pytest.raises(InputError, match=r"there is no .*dev\.tsv") as caught:
        read_folder(folder, "dev")
    assert "test" in str(caught.value.hint)
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_folder(folder)


def test_a_run_goes_there_and_back(tmp_path: Path) -> None:
    run = {"q1": {"a": 0.1, "b": 12.345678}, "q2": {"c": -3.0}}
    write_run(tmp_path / "r.trec", run, "two words")
    lines = (tmp_path / "r.trec").read_text().splitlines()
    assert lines[0].split()[:4] == ["q1", "Q0", "b", "1"]
    assert lines[0].endswith(" two-words")
    assert read_run(tmp_path / "r.trec")["q1"] == pytest.approx(run["q1"], rel=1e-7)


def test_ties_go_to_the_later_id() -> None:
    assert ranked({"a": 1.0, "b": 1.0, "c": 2.0, "d": 1.0 + 1e-12}) == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("q1 Q0 d1 1 high tag\n", "line 1 is not a line of a TREC run"),
        ("q1 Q0 d1 1 nan tag\n", "line 1 is not"),
        ("q1 Q0 d1 1 1e300 tag\n", "'1e300' is no score"),
        ("q1 Q0 d1 1 1_0 tag\n", "'1_0' is no score"),
        ("q1 Q0 d1 1 2 tag\nq1 Q0 d1 2 1 tag\n", "line 2 names 'd1' twice"),
        ("q7 Q0 d1 1 2 tag\n", "names none of the 3 judged queries"),
        ("q1 Q0 d9 1 2 tag\n", "names no document of the corpus"),
    ],
)
def test_bad_runs(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        from_run(read_folder(folder), path)


def test_a_run_with_strangers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text("q1 Q0 d1 1 2 t\nq1 Q0 d9 2 1 t\nq7 Q0 d1 1 2 t\nq3 Q0 d5 1 2 t\n")
    found = from_run(read_folder(folder), path)
    assert found.run == {"q1": {"d1": 2.0}, "q3": {"d5": 2.0}}
    assert found.notes == (
        "run: 1 documents are not in the corpus and are left out",
        "run: 1 queries are not among those evaluated and are left out",
        "first stage: 1 of 3 judged queries have no candidate; they count as 0",
    )


def test_qrels_with_spaces_or_tabs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("q1 0 d1 2\n")
    (tmp_path / "b").write_text("q1\t0\td1\t2\n")
    assert read_qrels(tmp_path / "a")[0] == read_qrels(tmp_path / "b")[0] == {"q1": {"d1": 2}}


@pytest.mark.parametrize(
    "text",
    [
        "corpus-id\tquery-id\tscore\nd1\tq1\t2\n",
        "score\tquery-id\tcorpus-id\n2\tq1\td1\n",
        "qid 0 rel docid\nq1 0 2 d1\n",
        "\ufeffquery-id\tcorpus-id\tscore\r\nq1\td1\t2.0\r\n",
        "q1\td1\t2e0\n",
    ],
)
def test_columns_are_where_their_names_say(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text, encoding="utf-8", newline="")
    assert read_qrels(tmp_path / "a")[0] == {"q1": {"d1": 2}}


def test_names_that_say_half_of_an_order_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("docid\tWer\tscore\nd1\tq1\t2\n")
    with pytest.raises(InputError, match="in an order that is not known"):
        read_qrels(tmp_path / "a")


def test_judgments_in_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('query-id,corpus-id,score\nq1,"d,1",2\n')
    assert read_qrels(tmp_path / "a.csv")[0] == {"q1": {"d,1": 2}}


def test_ranks_that_contradict_the_scores_are_told_of(folder: Path, tmp_path: Path) -> None:
    """A run of distances: its best document has the lowest score."""
    path = tmp_path / "run"
    path.write_text("q1 Q0 d1 1 0.1 t\nq1 Q0 d2 2 0.5 t\nq2 Q0 d1 1 3 t\nq2 Q0 d2 1 4 t\nq2 Q0 d3 2 4 t\n")
    note = "run: in 1 of 2 queries the ranks say another order than the scores; the scores count, as in trec_eval"
    assert note in from_run(read_folder(folder), path).notes
    path.write_text("q1 Q0 d1 1 0.5 t\nq1 Q0 d2 2 0.5 t\n")
    assert not any("ranks" in note for note in from_run(read_folder(folder), path).notes)


def test_the_names_of_a_runs_columns_are_no_document(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("query_id Q0 doc_id rank score tag\nq1 Q0 d1 1 2e-1 t\n")
    assert read_run(tmp_path / "a") == {"q1": {"d1": 0.2}}


@pytest.mark.parametrize("header", ["query-id\tcorpus-id\tscore", "\nqid\tdoc\trel", "qid iter docno rel"])
def test_headers(tmp_path: Path, header: str) -> None:
    tabs = header.count("\t") == 2
    (tmp_path / "a").write_text(header + ("\nq1\td1\t2\n" if tabs else "\nq1 0 d1 2\n"))
    assert read_qrels(tmp_path / "a")[0] == {"q1": {"d1": 2}}


def test_only_ascii_spaces_part_columns(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("q1 0 d\u30001 2\nq1 0 d\u00a02 1\n", encoding="utf-8")
    assert read_qrels(tmp_path / "a")[0] == {"q1": {"d\u30001": 2, "d\u00a02": 1}}
    (tmp_path / "b").write_text("q1 Q0 d\u30001 1 2.5 t\nq 2\tQ0\td 2\t1\t1\ta tag\n", encoding="utf-8")
    assert read_run(tmp_path / "b") == {"q1": {"d\u30001": 2.5}, "q 2": {"d 2": 1.0}}


def test_a_run_with_spaces_in_its_ids_goes_there_and_back(tmp_path: Path) -> None:
    run = {"q 1": {"a b": 1.5, "c\u3000d": 1.0}, "q2": {"e": 0.5}}
    write_run(tmp_path / "r.trec", run, "two words")
    assert read_run(tmp_path / "r.trec") == run
    assert (tmp_path / "r.trec").read_text().splitlines()[0].split("\t")[:3] == ["q 1", "Q0", "a b"]


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb"])
def test_a_run_cannot_hold_tabs_and_ends_of_lines(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"save-run: the id .* holds a tab or the end of a line"):
        write_run(tmp_path / "r.trec", {"q": {name: 1.0}}, "t")
