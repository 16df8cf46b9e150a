"""Passages: their size, their ends and their places."""

from hypothesis import given
from hypothesis import strategies as st

from yesrank.search.passages import MOST, USUAL, passages, width
from yesrank.search.sections import Section
from yesrank.search.sentences import sentences


def cut(text: str, **how: object) -> list[str]:
    return [piece.text for piece in passages([Section(text, **how)])]  # type: ignore[arg-type]


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_sentences_of_several_scripts() -> None:
    assert parts("One. Two? Three!") == ["One.", "Two?", "Three!"]
    assert parts("He met Dr. Smith, e.g. here. It cost 3.14 euros.") == [
        "He met Dr. Smith, e.g. here.",
        "It cost 3.14 euros.",
    ]
    assert parts("他来了。你呢？好！") == ["他来了。", "你呢？", "好！"]
    assert parts("यह एक वाक्य है। दूसरा।") == ["यह एक वाक्य है।", "दूसरा।"]
    assert parts("He said “no.” Then he went.") == ["He said “no.”", "Then he went."]
    assert parts("title without a stop\n\ntext") == ["title without a stop", "text"]
    assert parts("- one\n- two") == ["- one", "- two"]


@given(st.text(alphabet=st.sampled_from("ab .\n。漢é\t-"), max_size=6000), st.booleans())
def test_nothing_is_lost_and_nothing_too_long(text: str, verbatim: bool) -> None:
    found = cut(text, verbatim=verbatim)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(width(each) <= max(MOST, USUAL) + 3 for each in found)


def test_ends_are_those_of_sentences() -> None:
    text = " ".join(f"This is sentence number {number} of the text." for number in range(100))
    found = cut(text)
    assert len(found) > 4
    assert all(each.endswith(".") for each in found)
    assert all(USUAL // 2 < len(each) <= USUAL for each in found[:-1])


def test_han_passages_hold_about_as_much() -> None:
    found = cut("这是一个句子，说的是天气。" * 200)
    assert all(each.endswith("。") and len(each) <= USUAL // 2 for each in found)


def test_lines_are_those_of_the_file() -> None:
    text = "\n".join(f"Line {number} holds a few words, and it ends here." for number in range(1, 101))
    for piece in passages([Section(text, line=11)]):
        first, last = piece.lines or (0, 0)
        assert piece.text.startswith(f"Line {first - 10} ")
        assert f"Line {last - 10} " in piece.text.rsplit("\n", 1)[-1]


def test_a_text_without_gaps_is_cut_all_the_same() -> None:
    found = cut("x" * 100_000)
    assert "".join(found) == "x" * 100_000
    assert max(map(len, found)) <= MOST


def test_code_keeps_its_indentation() -> None:
    text = "    first = 1\n    second = 2"
    assert cut(text, verbatim=True) == [text]
