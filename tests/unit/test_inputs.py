"""Whatever callers pass is read as what they mean, or refused by name."""

import numpy as np
import pytest

from yesrank.errors import InputError
from yesrank.models import inputs

TEXTS = ["Paris is the capital.", "", "Ελλάδα 北京 🎉"]


class Table:
    """As a data frame of pandas, polars or pyarrow is iterated: over the names of its columns."""

    columns = ("text", "id")

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize(
    "values",
    [
        TEXTS,
        tuple(TEXTS),
        (text for text in TEXTS),
        dict.fromkeys(TEXTS).keys(),
        dict(enumerate(TEXTS)).values(),
        np.array(TEXTS),
        np.array(TEXTS, object),
        map(str, TEXTS),
    ],
    ids=lambda values: type(values).__name__,
)
def test_any_iterable_with_an_order(values) -> None:
    if isinstance(values, type({}.keys())):
        with pytest.raises(InputError, match="no order"):  # a view of keys is a set
            inputs.documents(values)
        return
    found = inputs.documents(values)
    assert found.texts == TEXTS
    assert {type(text) for text in found.texts} == {str}


def test_dicts_are_read_by_the_rule_of_files() -> None:
    given = [
        {"title": "Paris", "text": "is the capital."},
        {"id": 7, "Content": "x", "title": " "},
        {"text": 3, "body": "y", "title": None},
        {1: "number", "page_content": "z"},
    ]
    found = inputs.documents(iter(given))
    assert found.texts == ["Paris is the capital.", "x", "y", "z"]
    assert all(one is other for one, other in zip(found.given, given, strict=True))


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ("one string", "documents", "list"),
        (b"bytes", "documents", "list"),
        ({"text": "t"}, "documents", "dict"),
        ({"a", "b"}, "documents", "no order"),
        (Table(), "documents", "columns"),
        (None, "documents", "NoneType"),
        (np.array("zero"), "documents", "ndarray"),
        (7, "documents", "int"),
        (["a", float("nan")], "documents[1]", "float"),
        (["a", b"b"], "documents[1]", "bytes"),
        (np.array([["a", "b"]]), "documents[0]", "ndarray"),
        ([{"name": "secret text"}], "documents[0]", "it has name"),
        ([{}], "documents[0]", "nothing"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(values, field: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        inputs.documents(values)
    assert error.value.field == field
    assert "secret text" not in str(error.value)


def test_pairs_of_all_kinds() -> None:
    expected = (["q", "r"], ["d", "e"])
    pairs = [("q", "d"), ("r", "e")]
    for values in (pairs, [list(pair) for pair in pairs], np.array(pairs), zip(*expected, strict=True)):
        assert inputs.pairs(values) == expected
    assert inputs.pairs([("q", {"title": "T", "text": "d"})]) == (["q"], ["T d"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("q", "d"), "pairs"),
        ("qd", "pairs"),
        ([("q", "d"), "qd"], "pairs[1]"),
        ([("q",)], "pairs[0]"),
        ([("q", "d", "e")], "pairs[0]"),
        ([{"q": 1, "d": 2}], "pairs[0]"),
        ([{"q", "d"}], "pairs[0]"),
        ([3], "pairs[0]"),
        ([("q", "d"), (" ", "d")], "pairs[1]: query"),
        ([("q", 3)], "pairs[0]: document"),
    ],
)
def test_what_is_no_pair_is_named(values, field: str) -> None:
    with pytest.raises(InputError) as error:
        inputs.pairs(values)
    assert error.value.field == field


@pytest.mark.parametrize("query", ["", "  \n", "\ufeff", "\u200b \u2060", "\u3000", "\N{NO-BREAK SPACE}"])
def test_a_query_that_shows_nothing_is_empty(query: str) -> None:
    with pytest.raises(InputError, match="empty"):
        inputs.question("query", query)


def test_how_many() -> None:
    assert [inputs.how_many("top_n", value) for value in (None, 0, 3, np.int64(4))] == [None, None, 3, 4]
    for value in (-1, 2.0, "3", True, np.float32(1)):
        with pytest.raises(InputError, match="top_n"):
            inputs.how_many("top_n", value)


def test_a_threshold_is_a_probability() -> None:
    values = (None, 0, 1, 0.5, np.float32(0.25))
    assert [inputs.least_score("threshold", value) for value in values] == [None, 0.0, 1.0, 0.5, 0.25]
    for value in (-0.1, 1.5, float("nan"), "0.5", True, float("inf")):
        with pytest.raises(InputError, match="threshold"):
            inputs.least_score("threshold", value)
