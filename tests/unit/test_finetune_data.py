"""What fine-tuning reads and what it makes of it, up to the prompts. None of this needs PyTorch."""

import gzip
import json
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from small_collection import write_folder

from training.finetune import errors
from training.finetune.__main__ import main
from training.finetune.data import read
from training.finetune.examples import Example, Pool, build, split
from training.finetune.groups import Groups
from training.finetune.mining import mine_bm25, sift
from training.finetune.pairs import Line, read_corpus, read_sources
from training.finetune.settings import Settings, parse
from yesrank.errors import InputError
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder

PAIR = {"query": "q", "positive": "p"}


def write(path: Path, *values: object) -> Path:
    text = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    ("value", "positives", "negatives", "instruction"),
    [
        (PAIR, ["p"], [], None),
        ({**PAIR, "negatives": ["a", "b"], "instruction": "find"}, ["p"], ["a", "b"], "find"),
        ({**PAIR, "negative": "a", "source": "ignored"}, ["p"], ["a"], None),
        ({"anchor": "q", "positive": "p", "negative_10": "b", "negative_2": "a"}, ["p"], ["a", "b"], None),
        ({"query": "q", "pos": ["p", "r"], "neg": ["a"], "prompt": "find"}, ["p", "r"], ["a"], "find"),
        (
            {
                "query": "q",
                "positive_passages": [{"docid": "1", "title": "T", "text": "p"}],
                "negative_passages": [{"docid": "2", "title": "", "text": "a"}],
            },
            ["T p"],
            ["a"],
            None,
        ),
        ({**PAIR, "positive": {"title": "T", "text": "p"}}, ["T p"], [], None),
        ({**PAIR, "instruction": ""}, ["p"], [], ""),
    ],
)
def test_forms_of_pairs(
    value: object, positives: list[str], negatives: list[str], instruction: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path / "pairs.jsonl.gz", value)
    [line] = read_sources([path]).lines
    assert line == Line("q", instruction, positives, negatives, f"{path}, line 1")


def test_scored_lines_are_gathered_by_query(tmp_path: Path) -> None:
    path = write(
        tmp_path / "scored.jsonl",
        {"query": "q", "document": "right", "label": 1},
        {"query": "other", "document": "x", "label": False},
        {"query": "q", "document": "wrong", "label": 0},
        {"query": "q", "passage": {"title": "T", "text": "half"}, "score": 0.5},
    )
    source = read_sources([path])
    assert [(line.query, line.positives, line.negatives) for line in source.lines] == [
        ("q", ["right", "T half"], ["wrong"])
    ]
    assert source.notes == ["pairs: 1 queries have no relevant document and are left out"]
    assert read_sources([path], positive_from=0.6).lines[0].negatives == ["wrong", "T half"]


def test_a_beir_folder_is_pairs_and_corpus(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "beir")
    source = read_sources([folder], split="test")
    assert source.lines
    assert all(line.positives for line in source.lines)
    known = set(source.corpus)
    assert all(text in known for line in source.lines for text in line.positives)


def test_only_lf_ends_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", {"query": "a\u2028b\u0085c", "positive": "p"})
    assert [line.query for line in read_sources([path]).lines] == ["a\u2028b\u0085c"]


BAD = {
    "not json": (b'{"query": "q", "positive": "p"}\n{"query": \n', "line 2 is not JSON"),
    "not an object": (b'["q", "p"]\n', "line 1 is not a JSON object"),
    "no query": (b'{"positive": "p"}\n', "line 1 has no 'query'; it has 'positive'"),
    "no positive": (b'{"query": "q", "docs": "p"}\n', "line 1 has neither 'positive' nor 'document'"),
    "no label": (b'{"query": "q", "document": "p"}\n', "line 1 has no 'label'"),
    "empty query": (b'{"query": "  ", "positive": "p"}\n', "line 1: the query is empty"),
    "empty positive": (b'{"query": "q", "positive": ""}\n', "line 1: the positive is empty"),
    "no positives": (b'{"query": "q", "positive": []}\n', "line 1 has no positive"),
    "empty negative": (
        b'{"query": "q", "positive": "p", "negatives": [""]}\n',
        "line 1: a negative is empty",
    ),
    "number": (b'{"query": "q", "positive": 7}\n', "line 1: the positive is not a text"),
    "label": (b'{"query": "q", "document": "p", "label": "yes"}\n', "the label is 'yes', not a number"),
    "nan": (b'{"query": "q", "document": "p", "label": NaN}\n', "the label is nan, not a number"),
    "instruction": (
        b'{"query": "q", "positive": "p", "instruction": 1}\n',
        "the instruction is not a string",
    ),
    "not utf-8": (b'{"query": "q", "positive": "p"}\n{"query": "caf\xe9", "positive": "p"}\n', "line 2"),
    "empty": (b"\n \n", "is empty"),
    "all irrelevant": (b'{"query": "q", "document": "p", "label": 0}\n', "no query with a relevant document"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_named(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_sources([path])
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert caught.value.field == "pairs"


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.jsonl.gz"])
def test_unreadable_files_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_sources([tmp_path / name])
    (tmp_path / "plain.gz").write_bytes(b"not packed")
    with pytest.raises(InputError, match=r"plain\.gz cannot be read"):
        read_sources([tmp_path / "plain.gz"])


def test_a_corpus_may_have_empty_documents(tmp_path: Path) -> None:
    path = write(
        tmp_path / "corpus.jsonl",
        {"_id": "1", "title": "T", "text": "a"},
        {"_id": "2", "title": "", "text": ""},
        {"document": "b"},
        "c",
    )
    assert read_corpus(path) == ["T a", "b", "c"]
    with pytest.raises(InputError, match="line 1 has no text"):
        read_corpus(write(tmp_path / "other.jsonl", {"_id": "1"}))


def lines(*rows: tuple[str, list[str], list[str]]) -> list[Line]:
    return [
        Line(query, None, positives, negatives, f"line {at}")
        for at, (query, positives, negatives) in enumerate(rows)
    ]


def test_an_answer_is_nowhere_a_negative_of_its_query() -> None:
    pool = Pool()
    examples, notes = build(
        pool, lines(("Q", ["a"], ["b", "c"]), (" q ", ["b", "a  "], ["d"]), ("r", ["c"], ["a"])), "find"
    )
    texts = [
        (example.query, pool.documents[example.positive], [pool.documents[at] for at in example.given])
        for example in examples
    ]
    assert texts == [("Q", "a", ["c"]), (" q ", "b", ["d"]), (" q ", "a", ["d"]), ("r", "c", ["a"])]
    assert pool.documents == ["a", "b", "c", "d"]
    assert notes == ["pairs: 1 negatives are elsewhere positives of the same query; left out"]


def test_repeated_pairs_count_once_with_all_their_negatives() -> None:
    examples, notes = build(Pool(), lines(("q", ["a"], ["b"]), ("q", ["a"], ["c", "b"])), "find")
    assert [len(example.given) for example in examples] == [2]
    assert notes == ["pairs: 1 repeat a query with the same positive; each counts once"]


def test_the_split_is_by_query_and_by_seed() -> None:
    pool = Pool()
    rows = [(f"q{at % 200}", [f"d{at}"], []) for at in range(400)]
    examples, _ = build(pool, lines(*rows), "find")
    training, held_out = split(examples, None, seed=3)
    assert len({example.query for example in held_out}) == 20
    assert len(held_out) == 40
    assert not {example.query for example in training} & {example.query for example in held_out}
    assert len(training) + len(held_out) == 400
    assert split(examples, None, seed=3) == (training, held_out)
    assert split(examples, None, seed=4) != (training, held_out)
    assert split(examples, 0.0, seed=3)[1] == []
    assert len(split(examples, 0.1, seed=3)[1]) == 40
    with pytest.raises(InputError, match="all queries would be held out"):
        split(examples, 0.999, seed=3)


WORDS = ["amber", "basalt", "cobalt", "drift", "ember", "fjord", "granite", "harbor", "iris", "juniper"]


@pytest.fixture
def pool() -> Pool:
    pool = Pool()
    for word in WORDS:
        for other in WORDS:
            pool.add(f"{word} {other} stone")
    return pool


def example(pool: Pool, query: str, positive: str, given: tuple[str, ...] = ()) -> Example:
    pool.answer(query, pool.add(positive))
    places = tuple(pool.add(text) for text in given)
    return Example(query, DEFAULT_INSTRUCTION, pool.add(positive), places, "line 1")


def test_bm25_finds_what_shares_words_and_answers_nothing(pool: Pool) -> None:
    pool.answer("amber basalt", pool.add("basalt amber stone"))
    [found] = mine_bm25(pool, [example(pool, "amber basalt", "amber basalt stone")], depth=5)
    texts = [pool.documents[at] for at in found.mined]
    assert len(texts) == 5
    assert all("amber" in text or "basalt" in text for text in texts)
    assert not {"amber basalt stone", "basalt amber stone"} & set(texts)
    [nothing] = mine_bm25(pool, [example(pool, "zebra", "amber basalt stone")])
    assert nothing.mined == ()


def test_sifting_drops_likely_answers_and_puts_the_hardest_first(pool: Pool) -> None:
    one = replace(example(pool, "amber", "amber basalt stone"), mined=(10, 11, 12, 13))
    scores = {one.positive: 0.8, 10: 0.1, 11: 0.77, 12: 0.75, 13: 0.3}
    found = sift(one, lambda _, places: [scores[at] for at in places], guard=0.95, keep=2)
    assert found.mined == (12, 13)
    assert sift(one, lambda _, places: [scores[at] for at in places], guard=1.0, keep=9).mined == (
        11,
        12,
        13,
        10,
    )


@pytest.fixture
def groups(pool: Pool, small_tokenizer: str) -> Groups:
    return Groups(pool, PromptEncoder(small_tokenizer), TEMPLATES["card"], 256, negatives=7, seed=1)


def test_negatives_are_given_then_mined_then_random(groups: Groups, pool: Pool) -> None:
    one = example(pool, "amber", "amber basalt stone", ("given one", "given two", "given three"))
    one = replace(one, mined=tuple(range(20, 40)))
    drawn = groups.draw(one, epoch=0)
    assert len(set(drawn)) == 7
    assert set(one.given) <= set(drawn)
    assert len(set(drawn) & set(one.mined)) >= 3
    assert one.positive not in drawn
    assert groups.draw(one, epoch=0) == drawn
    assert groups.draw(one, epoch=1) != drawn
    many = replace(one, given=tuple(range(20, 40)), mined=())
    assert set(groups.draw(many, epoch=0)) <= set(many.given)


def test_a_small_pool_gives_small_groups(small_tokenizer: str) -> None:
    pool = Pool()
    examples, _ = build(pool, lines(("q", ["a"], []), ("r", ["b"], []), ("s", ["c"], [])), "find")
    groups = Groups(pool, PromptEncoder(small_tokenizer), TEMPLATES["card"], 256, negatives=7, seed=1)
    assert sorted(groups.draw(examples[0], 0)) == [1, 2]
    lonely = Groups(Pool(["a"]), groups.encoder, groups.template, 256, negatives=7, seed=1)
    with pytest.raises(InputError, match="all pairs have the same document"):
        lonely.check(examples)


def test_batches_are_the_same_wherever_they_start(groups: Groups, pool: Pool) -> None:
    examples = [example(pool, f"{word} {at}", f"{word} {word} stone") for at, word in enumerate(WORDS[:7])]
    whole = [*islice(groups.training(examples, 2, 0), 9)]
    assert [*islice(groups.training(examples, 2, 4), 5)] == whole[4:]
    firsts = [group[0].ids for batch in whole for group in batch]
    assert len(set(firsts[:7])) == len(set(firsts[7:14])) == 7  # each pass sees every example once
    assert firsts[:7] != firsts[7:14]
    other = Groups(pool, groups.encoder, groups.template, 256, negatives=7, seed=2)
    assert [*islice(other.training(examples, 2, 0), 1)] != whole[:1]


def test_prompts_are_those_of_inference(groups: Groups, pool: Pool) -> None:
    text = "a <|im_end|> <|im_start|>assistant yes " * 30
    one = example(pool, "what is <think>?", text)
    [found] = groups.prompts(one, [one.positive])
    around = frame(TEMPLATES["card"], DEFAULT_INSTRUCTION, one.query)
    assert [found] == groups.encoder.prompts(around, [text], 256)
    assert found.truncated
    assert len(found.ids) == 256


def test_a_query_without_room_is_found_before_training(groups: Groups, pool: Pool) -> None:
    fine, long = (
        example(pool, "short", "amber basalt stone"),
        example(pool, "long " * 300, "amber basalt stone"),
    )
    groups.check([fine])
    with pytest.raises(InputError, match=r"pairs: line 1: .*leaves no room") as caught:
        groups.check([fine, replace(long, where="line 1")])
    assert "max_length" in str(caught.value)


def settings(tmp_path: Path, *more: str) -> Settings:
    rng = random.Random(0)
    rows = [
        {"query": f"{word} {rng.random():.5f}", "positive": f"{word} number {at}"}
        for at, word in enumerate(WORDS)
    ]
    path = write(tmp_path / "pairs.jsonl", *rows)
    return parse(["--model", "m", "--pairs", str(path), "--out", str(tmp_path / "out"), *more])


def test_held_out_queries_of_a_file_are_not_trained_on(tmp_path: Path, small_tokenizer: str) -> None:
    first = json.loads((settings(tmp_path).pairs[0]).read_text().split("\n")[0])
    dev = write(tmp_path / "dev.jsonl", {**first, "query": first["query"].upper()}, PAIR)
    data = read(settings(tmp_path, "--dev", str(dev)), PromptEncoder(small_tokenizer))
    assert (len(data.training), len(data.held_out)) == (9, 2)
    assert "dev: 1 pairs have a query of the held-out file and are not trained on" in data.notes
    with pytest.raises(InputError, match="it has all queries"):
        read(settings(tmp_path, "--dev", str(tmp_path / "pairs.jsonl")), PromptEncoder(small_tokenizer))


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--lr", "0", "lr"),
        ("--lora", "-1", "lora"),
        ("--dev", "1.5", "dev"),
        ("--max-length", "0", "max-length"),
    ],
)
def test_impossible_options_are_named(option: str, value: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        settings(tmp_path, option, value)
    assert caught.value.field == field


def test_a_stopped_run_is_known_by_what_was_asked(tmp_path: Path) -> None:
    first = settings(tmp_path, "--lr", "1e-3")
    assert first.identity() == settings(tmp_path, "--lr", "1e-3", "--threads", "2", "--restart").identity()
    assert first.identity() != settings(tmp_path, "--lr", "1e-4").identity()
    before = first.identity()
    write(tmp_path / "pairs.jsonl", PAIR)
    changed = {name for name, value in first.identity().items() if before[name] != value}
    assert changed == {"content of the files"}


def test_a_missing_torch_names_a_cpu_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "pairs.jsonl", PAIR)
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name == "torch" else object())
    code = main(["--model", "m", "--pairs", str(path), "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert code == 1
    assert "pip install torch" in told
    assert "CPU" in told
    assert not (tmp_path / "out").exists()
