"""What is found by which words."""

import pytest

from yesrank.search.languages import language_of
from yesrank.search.terms import terms_of, wanted


def finds(query: str, text: str) -> bool:
    """Whether each word of the query is in the text."""
    found = terms_of(text)
    for word in wanted(query, [found.language]):
        there = any(term in found.counts for term in (*word.terms, *word.otherwise))
        if not there and not any(term.startswith(word.prefixes or "\0") for term in found.counts):
            return False
    return True


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("running", "He runs and he has run to the house that is there."),
        ("Häuser", "Das Haus ist in der Stadt und es ist groß."),
        ("resume", "Please send the résumé to them and to us."),
        ("résumé", "Please send the resume to them and to us."),
        ("C++", "It is written in C++, not in C."),
        ("C#", "a book on c# for beginners"),
        ("node.js", "We use Node.js here."),
        ("3.14", "pi is 3.14159, or 3.14"),
        ("U.S.", "the U.S. army"),
        ("user name", "def getUserName(): pass"),
        ("getUserName", "call getUserName()"),
        ("user", "get_user_name = 1"),
        ("get_user_name", "get_user_name = 1"),
        ("covid-19", "Covid-19 and the flu"),
        ("don't", "Don't do that"),
        ("水", "山水画"),
        ("画", "山水画"),
        ("東京タワー", "昨日は東京タワーに行った"),
        ("ประเทศไทย", "เขาอยู่ในประเทศไทย"),
        ("서울", "나는 서울에서 산다"),
        ("города", "Москва большой город"),
        ("café", "the cafe\u0301 is open"),
        ("ﬁnance", "finance"),
        ("a" * 500, "x " + "a" * 500),
        ("what is", "what is it"),
    ],
)
def test_is_found(query: str, text: str) -> None:
    assert wanted(query, [])
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [("C++", "the letter c"), ("水", "山火"), ("mà", "là ma"), ("dog", "a cat"), ("3.14", "3 and 14")],
)
def test_is_not_found(query: str, text: str) -> None:
    found = terms_of(text)
    assert not all(
        any(term in found.counts for term in word.terms) for word in wanted(query, [found.language])
    )


def test_common_words_of_a_query_are_left_out() -> None:
    assert [word.terms[0] for word in wanted("what is the capital of France", ["en"])] == [
        "capital",
        "france",
    ]


def test_length_counts_words_once() -> None:
    assert terms_of("the résumé of getUserName").length == 4


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the cat is on the mat and it sleeps", "en"),
        ("die katze ist auf der matte und sie schläft", "de"),
        ("le chat est sur la table et il dort dans la maison", "fr"),
        ("el gato está en la casa y no es de los niños", "es"),
        ("kedi bir evde ve çok mutlu", "tr"),
        ("zxcv qwer asdf", ""),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text.split()) == language
