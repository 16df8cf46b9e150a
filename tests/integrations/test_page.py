"""docs/python.md, with the examples for other projects."""

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")
pytest.importorskip("haystack")

import doc_examples


def test_the_examples_run() -> None:
    assert doc_examples.run(of_projects=True) == 11
