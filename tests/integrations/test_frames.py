"""Columns and frames of pandas. Runs where pandas is installed."""

import pytest

pytest.importorskip("pandas")

import pandas

from integrations.examples import QUERY, TEXTS
from yesrank import Reranker
from yesrank.errors import InputError


def test_columns_are_documents_and_frames_are_refused() -> None:
    frame = pandas.DataFrame({"text": TEXTS, "title": [f"t{at}" for at in range(len(TEXTS))]})
    with Reranker() as reranker:
        assert reranker.rank(QUERY, frame["text"]) == reranker.rank(QUERY, TEXTS)
        titled = reranker.rank(QUERY, frame.to_dict("records"))
        assert titled[0].given["title"] == f"t{titled[0].index}"
        pairs = frame.assign(query=QUERY)[["query", "text"]]
        assert reranker.predict(pairs.to_numpy()).tolist() == [
            *reranker.score([(QUERY, text) for text in TEXTS])
        ]
        for call in (lambda: reranker.rank(QUERY, frame), lambda: reranker.score(pairs)):
            with pytest.raises(InputError, match="columns"):
                call()
        with pytest.raises(InputError, match=r"documents\[1\]"):
            reranker.rank(QUERY, pandas.Series(["a", None], dtype=object))
