"""Whatever JSON arrives: a request that can be answered, or an InputError that quotes nothing."""

import json
from typing import Any

import pytest
from dialect_bodies import made
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from yesrank.errors import InputError
from yesrank.serve.dialects import DIALECTS, Dialect, recognise
from yesrank.serve.dialects.base import Fault, Kind

MARK = "☃"
"""Every string that a caller sends here contains it, and no message may."""
PATHS = tuple(
    f"{prefix}{path}"
    for prefix in ("", "/v1", "/v2", "/tei", "/jina")
    for path in ("/rerank", "/score", "/embed", "")
)
NAMES = """
    model query queries documents texts input inputs text_1 text_2 data_1 data_2 top_n top_k return_documents
    return_text return_input rank_fields max_tokens_per_doc max_chunks_per_doc priority instruction instruct
    chat_template_kwargs truncate truncation truncation_direction truncation_side raw_scores use_activation
    prefix suffix dialect max_doc_length passages parameters property
"""

strings = st.text(st.characters(), max_size=5).map(lambda text: MARK + text)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | strings
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "a"]) | strings, inner, max_size=3)
    ),
    max_leaves=8,
)
documents = st.lists(strings | st.fixed_dictionaries({"text": strings, "a": values}), min_size=1, max_size=4)
likely = {
    **dict.fromkeys(("query", "instruction", "model"), strings),
    **dict.fromkeys(
        ("documents", "texts", "input", "text_1", "text_2", "queries", "data_1"), documents | strings
    ),
    **dict.fromkeys(("return_documents", "return_text", "return_input", "raw_scores"), st.booleans()),
    "rank_fields": st.lists(st.sampled_from(["text", "a"]), max_size=2),
    "top_n": st.integers(0, 5),
    "dialect": st.sampled_from([*DIALECTS, "jina"]),
}
wild = st.dictionaries(st.sampled_from(NAMES.split()) | strings, values, max_size=4)
needed = {"query": strings, **dict.fromkeys(("documents", "texts", "input"), documents)}
complete = st.fixed_dictionaries(needed, optional={k: v for k, v in likely.items() if k not in needed})
partial = st.fixed_dictionaries({}, optional=likely)
mixed = st.builds(lambda first, second: {**first, **second}, complete | partial, wild)
bodies = complete | partial | mixed | values
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def holds(dialect: Dialect, body: Any) -> None:
    try:
        request = dialect.parse(body)
    except InputError as error:
        _, told = dialect.error(Fault(422, error.message, error.field, error.hint, "id", Kind.FIELD))
        assert MARK not in json.dumps(told, ensure_ascii=False, allow_nan=False)
        return
    assert request.dialect == dialect.name
    assert request.documents
    assert len(request.queries) in (1, len(request.documents))
    for text in (*request.queries, *request.documents, request.model or "", request.instruction or ""):
        text.encode()
    response = dialect.render(request, made(request))
    json.dumps(response, ensure_ascii=False, allow_nan=False).encode()
    rows = rows_of(response)
    assert len(rows) == min(request.top_n or len(request.documents), len(request.documents))
    if dialect.name not in ("weaviate", "deepinfra"):  # their rows are told apart by their places
        assert len({row["index"] for row in rows}) == len(rows)


def rows_of(response: Any) -> list[Any]:
    if isinstance(response, list):
        return response
    inside = response.get("output", response)
    return next(inside[name] for name in ("results", "data", "rankings", "scores") if name in inside)


@settings(quick, max_examples=200)
@given(st.sampled_from(PATHS), bodies)
@example("/v1/rerank", {"query": "q", "documents": [{"text": "a"}], "return_documents": True})
@example("/v1/rerank", {"query": "q", "documents": ["a"], "top_n": 10**400})
def test_any_json_is_a_request_or_an_input_error(path: str, body: Any) -> None:
    holds(recognise(path, body), body)


@pytest.mark.parametrize("name", DIALECTS)
@quick
@given(body=bodies)
def test_any_json_in_every_dialect(name: str, body: Any) -> None:
    holds(DIALECTS[name], body)
