"""Files of texts: what is recognised in them, what queries bring besides, and which documents are no candidates."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_collection import OverlapScorer, contender, write_folder, write_lines

from yesrank.errors import InputError
from yesrank.evaluate import ScoreStore, bm25, evaluate, from_run, read_files, read_folder
from yesrank.evaluate.run import differences
from yesrank.evaluate.texts import read_texts
from yesrank.prompt import TEMPLATES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "small")


def texts(path: Path, data: str, field: str = "corpus") -> dict[str, str]:
    path.write_bytes(data.encode())
    return read_texts(path, field).texts


@pytest.mark.parametrize(
    "data",
    [
        "id\ttext\nd1\tone\nd2\ttwo\n",
        "\ufeffID\tText\r\nd1\tone\r\nd2\ttwo\r\n",
        "text\tid\none\td1\ntwo\td2\n",
        "pid\turl\tpassage\nd1\thttp://a\tone\nd2\thttp://b\ttwo\n",
        "d1\tone\nd2\ttwo\n",
    ],
)
def test_the_names_of_columns_are_no_document(tmp_path: Path, data: str) -> None:
    assert texts(tmp_path / "c.tsv", data) == {"d1": "one", "d2": "two"}


def test_it_is_said_what_the_columns_are(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("doc_id\ttitle\ttext\nd1\tOne\tis one\nd2\t \tis two\nd3\tThree\t\n")
    found = read_texts(tmp_path / "c.tsv", "corpus")
    assert found.texts == {"d1": "One is one", "d2": "is two", "d3": "Three"}
    assert found.notes == (
        "corpus: the first line names the columns: doc_id, title, text",
        "corpus: 1 of 3 have a title and no text; the title is their text",
    )


def test_text_that_is_about_columns_stays(tmp_path: Path) -> None:
    data = "d1\tid text title\nid\twhat an id is\n"
    assert texts(tmp_path / "c.tsv", data) == {"d1": "id text title", "id": "what an id is"}


@pytest.mark.parametrize(
    "data",
    [
        '_id,title,text\nd1,One,"is one,\n\nreally"\nd2,,"two """""\n',
        '_id;title;text\nd1;One;"is one,\n\nreally"\nd2;;"two """""\n',
    ],
)
def test_csv(tmp_path: Path, data: str) -> None:
    assert texts(tmp_path / "c.csv", data) == {"d1": "One is one,\n\nreally", "d2": 'two ""'}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("c.tsv", "id\ttext\nd1\tone\tmore\n", "line 2 has 3 columns, and the first line names 2"),
        ("c.csv", 'id,text\nd1,one\nd2,"two"x\n', "is not CSV.*line 3"),
        ("c.csv", "id,text\nd1\n", "line 2 has 1 columns"),
        ("c.csv", "one\ntwo\n", "line 1 has one column"),
        ("c.tsv", "d1\tone\rd2\ttwo\r", "ends its lines with a carriage return alone"),
        ("c.tsv", "id\ttext\n", "is empty"),
        ("c.jsonl", '{"_id": "d1"}\n', "line 1 has no text"),
    ],
)
def test_bad_tables(tmp_path: Path, name: str, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        texts(tmp_path / name, data)
    assert caught.value.hint


# what queries bring


def queries(folder: Path, *rows: dict[str, object]) -> Path:
    write_lines(folder / "queries.jsonl", rows)
    return folder


BEES = {"_id": "q1", "text": "how do bees store honey"}


def test_instructions_reach_the_model_and_the_store(folder: Path, tmp_path: Path) -> None:
    tasks = ["Find the insect", "Find the place"]
    for task in tasks:
        queries(folder, {**BEES, "instruction": task}, {"_id": "q2", "text": "bread"})
        found = read_folder(folder)
        assert found.instructions == {"q1": task}
        assert any("1 of 2 bring an instruction" in note for note in found.notes)
        scorer = OverlapScorer()
        with ScoreStore(tmp_path / "scores.sqlite") as store:
            evaluate(found, bm25(found, "en"), [contender(scorer)], store, top_k=3)
        asked = {query: told for (query, _), told in zip(scorer.scored, scorer.told, strict=True)}
        assert asked[BEES["text"]] == task  # the other task's scores are not taken for this one's
    assert {told for told in scorer.told if told} == {tasks[1]}


def test_labels_of_a_prompt_are_taken_off_queries(folder: Path) -> None:
    labelled = {"_id": "q1", "text": "Instruct: Find the insect\nQuery:how do bees store honey"}
    found = read_folder(queries(folder, labelled))
    assert (found.queries["q1"], found.instructions["q1"]) == (BEES["text"], "Find the insect")
    assert "queries: 1 of 1 came with labels of a prompt, and were taken out of them" in found.notes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"text": TEMPLATES["card"].prefix + "<Instruct>: a\n<Query>: b\n"},
            "is in the model's chat template",
        ),
        ({"text": " \n"}, "the query is empty"),
        ({"text": "<|im_start|>user\nbees"}, "that is not this model's"),
        ({"text": "<Instruct>: a\n<Query>: b\n<Query>: c"}, "more than one way"),
        ({"text": "<Instruct>: a\n<Query>: b", "instruction": "c"}, "and differs"),
        ({"text": "b", "instruction": ["c"]}, "instruction must be a string"),
        ({"text": "b", "excluded_ids": "d1"}, "excluded_ids must be a list"),
    ],
)
def test_what_queries_cannot_bring(folder: Path, row: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_folder(queries(folder, {"_id": "q1", **row}))
    assert "line 1" in str(caught.value)
    assert caught.value.hint


def test_an_instruction_that_is_given_goes_before(folder: Path) -> None:
    found = read_folder(queries(folder, {**BEES, "instruction": "Find the insect"})).without_instructions()
    assert found.instructions == {}
    assert found.notes[-1] == "queries: the instructions of 1 are left aside for the one that was given"


def test_a_corpus_may_talk_of_labels_and_instructions(tmp_path: Path) -> None:
    rows = [
        {"_id": "d1", "text": "<Instruct>: a\n<Query>: b", "instruction": 5},
        {"_id": "d2", "text": "<|im_start|>", "excluded_ids": 1},
    ]
    write_lines(tmp_path / "c.jsonl", rows)
    assert [*read_texts(tmp_path / "c.jsonl", "corpus").texts.values()] == [row["text"] for row in rows]


# candidates


def arguments(folder: Path, ids: tuple[str, str] = ("arg-pro01a", "arg-con01b")) -> Path:
    """As in ArguAna: a query is a document, and its counter-argument is what is looked for."""
    one, other = ids
    folder.mkdir()
    pro, con = "Cars should be banned from towns, for they kill.", "Cars should not be banned from towns."
    write_lines(
        folder / "c.jsonl",
        [
            {"_id": one, "title": "traffic", "text": pro},
            {"_id": other, "title": "traffic", "text": con},
            {"_id": "x", "text": "Bread is baked in towns."},
        ],
    )
    write_lines(folder / "q.jsonl", [{"_id": one, "text": pro}])
    (folder / "q.tsv").write_text(f"query-id\tcorpus-id\tscore\n{one}\t{other}\t1\n")
    return folder


@pytest.mark.parametrize("ids", [("arg-pro01a", "arg-con01b"), ("318", "319")])
def test_the_document_of_the_querys_own_id_is_left_out(tmp_path: Path, ids: tuple[str, str]) -> None:
    folder = arguments(tmp_path / "a", ids)
    found = read_files(folder / "c.jsonl", folder / "q.jsonl", folder / "q.tsv")
    first = bm25(found, "en")
    assert next(iter(first.run[ids[0]])) == ids[1]
    assert ids[0] not in first.run[ids[0]]
    assert "own id: of 1 queries the document with the same id is left out, as BEIR does" in first.notes[0]
    kept = bm25(found, "en", keep_own_id=True)
    assert next(iter(kept.run[ids[0]])) == ids[0]
    assert kept.notes[0] == "own id: of 1 queries the document with the same id is kept"
    (folder / "run").write_text(f"{ids[0]} Q0 {ids[0]} 1 9 t\n{ids[0]} Q0 {ids[1]} 2 8 t\n")
    assert from_run(found, folder / "run").run == {ids[0]: {ids[1]: 8.0}}
    assert len(from_run(found, folder / "run", keep_own_id=True).run[ids[0]]) == 2


def test_equal_numbers_may_be_chance_and_judgments_are_not(tmp_path: Path) -> None:
    write_lines(tmp_path / "c.jsonl", [{"_id": "1", "text": "bees and wax"}, {"_id": "q2", "text": "bread"}])
    write_lines(
        tmp_path / "q.jsonl", [{"_id": "1", "text": "bees in winter"}, {"_id": "q2", "text": "bread"}]
    )
    (tmp_path / "j").write_text("1 0 q2 0\n1 0 1 0\nq2 0 q2 1\n")
    first = bm25(read_files(tmp_path / "c.jsonl", tmp_path / "q.jsonl", tmp_path / "j"), "en")
    assert [*first.run["1"]] == ["1"]
    assert [*first.run["q2"]] == ["q2"]
    assert first.notes == ("own id: 1 queries have the number of a document with another text; it stays",)


def test_excluded_documents_are_no_candidates(folder: Path) -> None:
    excluded = [
        {**BEES, "excluded_ids": ["d1", "nowhere"]},
        {"_id": "q2", "text": "bread", "excluded_ids": ["N/A"]},
    ]
    found = read_folder(queries(folder, *excluded))
    first = bm25(found, "en")
    assert "d1" in bm25(read_folder(queries(folder, BEES)), "en").run["q1"]
    assert "d1" not in first.run["q1"]
    assert "excluded_ids: 1 documents are left out for the queries that exclude them" in first.notes
    relevant = found.qrels["q1"].get("d1", 0) > 0
    assert any("judged relevant" in note for note in first.notes) == relevant


def test_a_deep_run_is_cut_with_a_note(folder: Path, tmp_path: Path) -> None:
    write_lines(folder / "corpus.jsonl", [{"_id": f"d{at}", "text": "bees"} for at in range(1200)])
    lines = [f"q1 Q0 d{at} {at} {2000 - at} t" for at in range(1200)]
    (tmp_path / "run").write_text("\n".join(lines))
    found = from_run(read_folder(folder), tmp_path / "run")
    assert len(found.run["q1"]) == 1000
    assert "run: 1 queries have more than 1000 documents; the best 1000 are kept" in found.notes


# what differs between models


def test_two_settings_in_one_comparison_are_said(folder: Path, tmp_path: Path) -> None:
    both = [
        contender(OverlapScorer(), "a", template="card", instruction="one", max_length=10),
        contender(OverlapScorer(), "b", template="chat", instruction="one", max_length=10),
    ]
    assert differences(both) == ["template differs between the models (a: card; b: chat)"]
    assert differences(both[:1]) == []
    found = read_folder(folder)
    with ScoreStore(tmp_path / "scores.sqlite") as store:
        done = evaluate(found, bm25(found, "en"), both, store, top_k=2)
    assert "template differs between the models (a: card; b: chat)" in done.notes
    from yesrank.cli.evaluation_output import as_data
    from yesrank.evaluate.report import render

    systems = json.loads(json.dumps(as_data(done)))["systems"]
    assert [each["model"]["settings"]["template"] for each in systems[1:]] == ["card", "chat"]
    assert "<td>chat</td>" in render(done)


def test_int4_weights_are_not_called_int8(folder: Path, tmp_path: Path) -> None:
    found = read_folder(folder)
    model = replace(contender(OverlapScorer()), weights="int4")
    with ScoreStore(tmp_path / "scores.sqlite") as store:
        done = evaluate(found, bm25(found, "en"), [model], store, top_k=2)
    assert [system.precision for system in done.systems] == ["", "f32, int4 weights"]
