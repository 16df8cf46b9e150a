"""An index that is not what was written is never answered from."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from yesrank.errors import IndexDamaged, IndexNotFound, SearchError, YesrankError
from yesrank.search import Index, index, index_file, schema
from yesrank.search.reading import Candidate


def change(name: str, statement: str) -> None:
    with closing(sqlite3.connect(index_file(name))) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE passages SET text = replace(text, 'Paris', 'Rome')",
        "UPDATE postings SET counts = x'05'",
        "UPDATE segments SET lengths = zeroblob(length(lengths))",
    ],
)
def test_changed_content_is_noticed_by_a_search_and_by_check(notes: Path, statement: str) -> None:
    index([notes], "n")
    change("n", statement)
    with Index("n") as opened, pytest.raises(IndexDamaged, match="not what was written") as error:
        opened.candidates("Paris capital", 5)
    assert "--rebuild" in str(error.value.hint)
    with Index("n") as opened, pytest.raises(IndexDamaged):
        opened.check()


def test_flipped_bytes_give_the_answer_or_an_error(notes: Path) -> None:
    index([notes], "n")
    whole = index_file("n").read_bytes()

    def ask() -> list[Candidate]:
        with Index("n") as opened:
            return opened.candidates("Paris capital Venus heron", 10)

    used = [at for at, byte in enumerate(whole) if byte]
    expected, rng, errors = ask(), random.Random(5), 0
    for _ in range(200):
        data = bytearray(whole)
        data[rng.choice(used)] ^= 1 << rng.randrange(8)
        index_file("n").write_bytes(data)
        for left in ("-wal", "-shm"):
            index_file("n").with_name(index_file("n").name + left).unlink(missing_ok=True)
        try:
            if ask() != expected:  # a word has become another one: a search cannot know, but a check does
                with pytest.raises(IndexDamaged), Index("n") as opened:
                    opened.check()
        except YesrankError:
            errors += 1
    assert errors > 10


def test_a_shortened_file_and_another_kind_of_file(notes: Path) -> None:
    index([notes], "n")
    whole = index_file("n").read_bytes()
    index_file("n").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IndexDamaged), Index("n") as opened:
        opened.check()
    index_file("n").write_bytes(b"hello " * 500)
    with pytest.raises(IndexDamaged, match="not a database"):
        Index("n")
    index_file("n").unlink()
    change("n", "CREATE TABLE t (a)")
    with pytest.raises(IndexDamaged, match="no index of yesrank"):
        index([notes], "n")
    index([notes], "n", rebuild=True)
    with Index("n") as opened:
        opened.check()


def test_an_empty_file_is_no_index(indexes: Path) -> None:
    indexes.mkdir()
    index_file("n").touch()
    with pytest.raises(IndexNotFound):
        Index("n")


def test_a_newer_index_is_refused_and_left_alone(notes: Path) -> None:
    index([notes], "n")
    change("n", f"PRAGMA user_version = {schema.VERSION + 1}")
    before = index_file("n").read_bytes()
    for use in (lambda: Index("n"), lambda: index([notes], "n")):
        with pytest.raises(SearchError, match="newer yesrank") as error:
            use()
        assert "update yesrank" in str(error.value.hint)
    assert index_file("n").read_bytes() == before


def test_other_words_are_refused(notes: Path) -> None:
    index([notes], "n")
    change("n", "UPDATE meta SET value = '0' WHERE key = 'terms'")
    with pytest.raises(SearchError, match="another version"):
        Index("n")
    index([], "n", rebuild=True)
    with Index("n") as opened:
        assert opened.status().files == 3
