"""What bodies mean: which dialect they are, what is lenient and what is an error."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from dialect_bodies import BASE, CITIES, MODEL, QUERY, made

from yesrank.errors import InputError
from yesrank.serve.dialects import DIALECTS, PREFIXES, names, recognise, refusal
from yesrank.serve.dialects.base import Fault
from yesrank.serve.requests import RerankRequest, RerankResult, Scored


def parse(body: Any, path: str = "/v1/rerank") -> RerankRequest:
    return recognise(path, body).parse(body)


def answer(body: Any, path: str = "/v1/rerank") -> Any:
    dialect = recognise(path, body)
    request = dialect.parse(body)
    return dialect.render(request, made(request))


def refused(body: Any, path: str = "/v1/rerank") -> InputError:
    with pytest.raises(InputError) as caught:
        parse(body, path)
    return caught.value


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/rerank", {"query": "", "documents": []}, "cohere-v1"),
        ("/v2/rerank", {"query": "", "documents": []}, "cohere-v2"),
        ("/V2/Rerank/", {"documents": []}, "cohere-v2"),
        ("/v2/rerank", {"documents": [], "top_k": None}, "voyage"),
        ("/v1/rerank", {"documents": [], "top_k": 1, "top_n": None}, "cohere-v1"),
        ("/v1/rerank", {"documents": [], "truncation": True}, "voyage"),
        ("/v1/rerank", {"documents": [], "max_doc_length": 10}, "jina"),
        ("/v1/rerank", {"documents": [], "suffix": None}, "openarc"),
        ("/v2/rerank", {"texts": []}, "tei"),
        ("/v1/rerank", {"texts": [], "documents": None}, "tei"),
        ("/rerank", {"queries": [], "documents": []}, "vllm-score"),
        ("/score", {"queries": "", "items": []}, "vllm-score"),
        ("/v1/score", {"documents": []}, "vllm-score"),
        ("/score", {}, "vllm-score"),
        ("/rerank", {"data_1": "", "data_2": ""}, "vllm-score"),
        ("/v1/reranking", {"query": "", "input": []}, "mixedbread"),
        ("/v1/embeddings", {"input": ""}, "openai-embeddings"),
        ("/v1/ranking", {"query": {"text": ""}}, "nvidia"),
        ("/v1/ranking", {"query": "", "documents": []}, "cohere-v1"),
        ("/v1/rerank", {"query": "", "passages": []}, "nvidia"),
        ("/embed", {"inputs": ""}, "tei-embed"),
        ("/embed", {}, "tei-embed"),
        ("/v1/embeddings", None, "openai-embeddings"),
        ("/voyage/v1/rerank", {"documents": []}, "voyage"),
        ("/behind/a/proxy/voyage/v1/rerank", {"documents": []}, "voyage"),
        ("/providers/cohere/v2/rerank", {"documents": []}, "cohere-v2"),
        ("/v1/v2/rerank", {"documents": []}, "cohere-v2"),
        ("/v1/retrieval/nvidia/m/reranking", {"query": "", "passages": []}, "nvidia"),
        ("/v1/rerank", {"input": {"query": ""}}, "dashscope"),
        ("/api/v1/services/rerank/text-rerank/text-rerank", {}, "dashscope"),
        ("/compatible-api/v1/reranks", {"documents": []}, "cohere-v1"),
        ("/api/v1/rerank", {"documents": []}, "openrouter"),
        ("/rerank", {"documents": [], "property": ""}, "weaviate"),
        ("/rerank", {"queries": [], "sources": []}, "bedrock"),
        ("/ml/v1/text/rerank", {"query": "", "inputs": []}, "watsonx"),
        ("/v1/inference/owner/model", {"queries": [], "documents": []}, "deepinfra"),
        ("/inference/v1/rerank", {"documents": []}, "cohere-v1"),
        ("/model/id:0/invoke", {"documents": []}, "cohere-v1"),
        ("/invocations", {"texts": []}, "tei"),
        ("/infinity/rerank", {"documents": []}, "infinity"),
        ("/v1/rerank", {"documents": [], "dialect": "cohere-v2"}, "cohere-v2"),
        ("/v1/rerank", {"documents": [], "dialect": ["?"]}, "cohere-v1"),
        ("/v1/rerank", {"documents": [], "dialect": "?"}, "cohere-v1"),
        ("/v1/rerank", {}, "cohere-v1"),
        ("/v1/rerank", None, "cohere-v1"),
        ("", [], "cohere-v1"),
    ],
)
def test_the_body_decides_then_the_path(path: str, body: Any, name: str) -> None:
    assert recognise(path, body).name == name


def test_every_dialect_has_one_name() -> None:
    assert all(dialect.name == name for name, dialect in DIALECTS.items())
    assert set(PREFIXES.values()) <= set(DIALECTS.values())


@pytest.mark.parametrize(("truncate", "cuts"), [(None, True), ("END", True), ("end", True), ("NONE", False)])
def test_nvidia_says_whether_to_cut(truncate: str | None, cuts: bool) -> None:
    body = {"query": {"text": QUERY}, "passages": [{"text": CITIES[0]}], "truncate": truncate}
    assert parse(body, "/v1/ranking").truncate is cuts


def test_nvidia_names_what_is_wrong() -> None:
    body = {"query": {"text": QUERY}, "passages": [{"text": CITIES[0]}]}
    assert refused({**body, "truncate": "START"}, "/v1/ranking").field == "truncate"
    assert refused({**body, "passages": [{"title": "a"}]}, "/v1/ranking").field == "passages[0]"
    assert refused({"query": {"text": QUERY}}, "/v1/ranking").field == "passages"


@pytest.mark.parametrize("top_n", [None, 0, "0", 3, "3", 3.0, 99, 10**30])
def test_all_results_unless_fewer_are_asked_for(top_n: Any) -> None:
    assert [row["index"] for row in answer({**BASE, "top_n": top_n})["results"]] == [1, 2, 0]


@pytest.mark.parametrize("top_n", [2, "2", " 2 ", "+2", 2.0])
def test_top_n(top_n: Any) -> None:
    assert [row["index"] for row in answer({**BASE, "top_n": top_n})["results"]] == [1, 2]


@pytest.mark.parametrize(
    "top_n", [True, False, "", "two", "1.5", 1.5, float("inf"), [], {}, "9" * 5000, "-1", -1]
)
def test_top_n_of_another_kind(top_n: Any) -> None:
    assert refused({**BASE, "top_n": top_n}).field == "top_n"
    assert refused({**BASE, "top_k": top_n}).field == "top_k"
    assert refused({**BASE, "max_tokens_per_doc": top_n}).field == "max_tokens_per_doc"


@pytest.mark.parametrize(
    ("value", "returned"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        (1, True),
        (False, False),
        ("FALSE", False),
        (0, False),
        (None, False),
    ],
)
def test_flags(value: Any, returned: bool) -> None:
    assert ("document" in answer({**BASE, "return_documents": value})["results"][0]) is returned
    assert ("text" in answer({"query": QUERY, "texts": CITIES, "return_text": value})[0]) is returned


@pytest.mark.parametrize(
    "extra",
    [
        {"queries": QUERY, "items": CITIES},
        {"text_1": None, "text_2": None, "data_1": QUERY, "data_2": CITIES},
    ],
)
def test_the_sides_of_a_score_are_those_that_are_given(extra: dict[str, Any]) -> None:
    found = parse(extra, "/score")
    assert (found.queries, found.documents) == ((QUERY,), tuple(CITIES))


def test_a_small_body_cannot_ask_for_a_text_of_any_length() -> None:
    body = {"query": QUERY, "documents": [{"t": "word " * 200}]}
    assert parse({**body, "rank_fields": ["t"] * 20_000}).documents == ("word " * 200,)
    many = refused({**body, "rank_fields": ["t", *map(str, range(20_000))]})
    assert many.field == "rank_fields"


@pytest.mark.parametrize("value", ["yes", 2, 1.0, [], {}, float("nan")])
def test_flags_of_another_kind(value: Any) -> None:
    for name in ("return_documents", "raw_scores", "truncate"):
        assert refused({**BASE, name: value}).field == name


def test_null_is_absent_for_every_option() -> None:
    options = (
        "model top_n return_documents max_tokens_per_doc max_chunks_per_doc rank_fields priority instruction "
        "instruct chat_template_kwargs truncate truncation_direction truncation_side raw_scores user"
    )
    assert parse({**BASE, **dict.fromkeys(options.split())}) == parse({"query": QUERY, "documents": CITIES})


def test_documents_come_back_by_default_only_from_jina() -> None:
    returned = {
        name: "document" in dialect.render(request, made(request))["results"][0]
        for name, dialect in DIALECTS.items()
        if name in ("cohere-v1", "cohere-v2", "jina", "infinity") and (request := dialect.parse(BASE))
    }
    assert returned == {"cohere-v1": False, "cohere-v2": False, "jina": True, "infinity": False}


@pytest.mark.parametrize(
    "extra",
    [
        {"instruction": "Find."},
        {"instruct": "Find."},
        {"chat_template_kwargs": {"instruction": "Find.", "a": 1}},
    ],
)
@pytest.mark.parametrize("path", ["/rerank", "/v2/rerank", "/score", "/voyage/rerank", "/openarc/rerank"])
def test_an_instruction_has_three_names(path: str, extra: dict[str, Any]) -> None:
    assert parse({**BASE, **extra}, path).instruction == "Find."


@pytest.mark.parametrize(
    ("extra", "cut"),
    [
        ({}, True),
        ({"truncate": "END"}, True),
        ({"truncate": "NONE"}, False),
        ({"truncate": "false"}, False),
        ({"truncation": False}, False),
        ({"truncate": False, "truncation_direction": "Left"}, False),
        ({"truncation_direction": "Right"}, True),
        ({"truncation_side": "right"}, True),
    ],
)
def test_only_the_end_is_cut(extra: dict[str, Any], cut: bool) -> None:
    assert parse({**BASE, **extra}).truncate is cut


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("truncation_direction", "Left"),
        ("truncation_direction", "left"),
        ("truncation_direction", "middle"),
        ("truncation_side", "left"),
        ("truncate", "START"),
        ("truncation_direction", 1),
    ],
)
def test_the_start_is_never_cut(name: str, value: Any) -> None:
    assert refused({"query": QUERY, "texts": CITIES, name: value}).field == name


def test_every_field_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "clients.md").read_text(encoding="utf-8").replace("```", "")
    told = {name for span in re.findall(r"`([^`]+)`", text) for name in re.findall(r"\w+", span)}
    assert {*names.SHARED, *names.SCORES, *names.WITHOUT_EFFECT, *names.REFUSED} <= told | {"model"}


@pytest.mark.parametrize(
    "name", ["topN", "top-n", "TOP_N", "top_nn", "to_n", "top", "tpo_n", "return_document", "raw_socres"]
)
def test_a_misspelling_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        DIALECTS["cohere-v1"].parse({"query": "q", "documents": ["a"], name: 1})
    assert caught.value.field == name
    assert caught.value.hint


@pytest.mark.parametrize(
    "name", ["n", "mode", "top_p", "temperature", "text", "documents_url", "query_id", "topics", "kwargs"]
)
def test_another_word_is_no_misspelling(name: str) -> None:
    found = DIALECTS["cohere-v1"].parse({"query": "q", "documents": ["a"], name: 1})
    assert found.notes == (f"fields that are not known were ignored: {name}",)


@pytest.mark.parametrize("name", [*names.WITHOUT_EFFECT])
def test_what_has_no_effect_is_taken(name: str) -> None:
    assert DIALECTS["cohere-v1"].parse({"query": "q", "documents": ["a"], name: 1}).notes == ()


@pytest.mark.parametrize("name", [*names.REFUSED])
def test_what_cannot_be_had_is_refused_where_it_is_asked_for(name: str) -> None:
    for nothing in (None, False, 0, "", [], {}):
        assert DIALECTS["tei"].parse({"query": "q", "texts": ["a"], name: nothing}).notes == ()
    with pytest.raises(InputError) as caught:
        DIALECTS["tei"].parse({"query": "q", "texts": ["a"], name: 0.5})
    assert caught.value.field == name


def test_ties_keep_the_order_of_the_request() -> None:
    request = parse({**BASE, "documents": ["x"] * 4})
    logits = (17.5, 18.0, 17.5, 18.0)  # all of them score 1.0 in float32
    rows = tuple(Scored(index, 1.0, logit, truncated=False) for index, logit in enumerate(logits))
    body = DIALECTS["cohere-v1"].render(request, RerankResult("", "m", rows[::-1], 1, 0))
    assert [row["index"] for row in body["results"]] == [1, 3, 0, 2]


@pytest.mark.parametrize(("documents", "units"), [(1, 1), (100, 1), (101, 2), (1000, 10)])
def test_search_units(documents: int, units: int) -> None:
    meta = answer({**BASE, "documents": ["x"] * documents})["meta"]
    assert meta["billed_units"] == {"search_units": units}


def test_lone_surrogates_are_replaced_everywhere() -> None:
    broken = "cut \ud83e"
    body = {
        **BASE,
        "model": broken,
        "query": broken,
        "documents": [broken, {"text": broken, broken: [broken]}],
    }
    request = parse({**body, "return_documents": True, "instruction": broken})
    assert request.documents == ("cut \ufffd", "cut \ufffd")
    json.dumps(answer({**body, "return_documents": True}), ensure_ascii=False).encode()
    assert parse({"query": "\ud83e\udd8a", "documents": ["a"]}).queries == ("🦊",)


def test_nothing_is_too_deep() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for body in (
        deep,
        {"query": deep, "documents": CITIES},
        {**BASE, "documents": deep},
        {**BASE, "documents": [{"text": deep}]},
        {**BASE, "documents": [{"text": "a", "b": deep}], "return_documents": True},
        {**BASE, "top_n": deep},
        {**BASE, "rank_fields": deep},
        {**BASE, "instruction": deep},
    ):
        refused(body)
    assert parse({**BASE, "unknown": deep, "documents": [{"text": "a", "b": deep}]}).documents == ("a",)


def test_not_a_number_comes_back_as_null() -> None:
    body = {**BASE, "documents": [{"text": "a", "b": float("nan")}], "return_documents": True}
    assert answer(body)["results"][0]["document"] == {"text": "a", "b": None}


def test_scores_are_for_one_text_or_for_pairs() -> None:
    assert parse({"text_1": "q", "text_2": ["a", "b"]}).queries == ("q",)
    assert parse({"text_1": ["q"], "text_2": ["a", "b"]}).queries == ("q",)
    assert parse({"text_1": ["q", "r"], "text_2": ["a", "b"]}).queries == ("q", "r")
    assert refused({"text_1": ["q", "r"], "text_2": "a"}).field == "text_1"
    assert refused({"text_1": [], "text_2": "a"}).field == "text_1"
    assert refused({"text_1": "q"}).field == "text_2"
    assert refused({"text_1": "q", "text_2": [[1, 2]]}).field == "text_2[0]"


def test_a_body_that_fits_nothing_is_told_what_fits() -> None:
    error = refused({"question": "a", "passages": ["b"]})
    assert error.hint
    assert all(name in error.hint for name in ("query", "documents", "texts", "text_1", "text_2"))


@pytest.mark.parametrize("name", DIALECTS)
def test_errors_say_the_same_under_every_name(name: str) -> None:
    _, body = DIALECTS[name].error(Fault(404, "no model \ud83e", hint="try: list"))
    text = "no model \ufffd; try: list"
    assert body["message"] == body["detail"] == text
    assert text in (body["error"], body["error"]["message"] if isinstance(body["error"], dict) else "")
    assert "field" not in body and "id" not in body


@pytest.mark.parametrize(
    ("status", "tei", "openai"),
    [
        (422, "Validation", "invalid_request_error"),
        (413, "Validation", "invalid_request_error"),
        (401, "Validation", "authentication_error"),
        (424, "Backend", "invalid_request_error"),
        (429, "Overloaded", "rate_limit_error"),
        (500, "Backend", "server_error"),
        (503, "Unhealthy", "server_error"),
        (504, "Backend", "server_error"),
    ],
)
def test_kinds_of_error(status: int, tei: str, openai: str) -> None:
    assert DIALECTS["tei"].error(Fault(status, "no"))[1]["error_type"] == tei
    assert DIALECTS["cohere-v2"].error(Fault(status, "no"))[1]["error"]["type"] == openai


def test_embedding_routes_say_that_the_model_is_a_reranker() -> None:
    for path in ("/embed", "/v1/embeddings", "/embeddings/"):
        status, body = refusal(path, "id-1")
        assert status == 400
        assert "reranker" in body["message"] and "/v1/rerank" in body["hint"]
        assert isinstance(body["error"], str) is (path == "/embed")


def test_the_model_is_the_callers_own_name_for_it() -> None:
    assert parse(BASE).model == MODEL
    assert refused({**BASE, "model": 3}).field == "model"


def test_a_header_of_one_service_goes_before_the_body() -> None:
    headers = {"x-pinecone-api-version": "2025-10"}
    assert recognise("/rerank", {"documents": [], "top_k": 1}, headers).name == "pinecone"
    assert recognise("/voyage/rerank", {"documents": []}, headers).name == "voyage"
    assert recognise("/rerank", {"documents": []}, {"x-other": ""}).name == "cohere-v1"


@pytest.mark.parametrize(
    "document", [{"image": "secret"}, {"image_url": {"url": "secret"}}, {"video": "secret"}]
)
def test_pictures_are_refused_with_the_reason(document: Any) -> None:
    for path, name in (("/v1/rerank", "documents"), ("/v1/reranking", "input"), ("/v1/ranking", "passages")):
        error = refused({"query": QUERY, name: [CITIES[0], document]}, path)
        assert (error.field, error.hint) == (f"{name}[1]", "only text is read: leave pictures and files out")
        assert "picture" in error.message
    parts = {
        "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "secret"}}]
    }
    assert "no text" in refused({"query": QUERY, "documents": [parts]}).message


def test_vllms_content_is_read() -> None:
    parts = {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert parse({"query": QUERY, "documents": [parts, "c"]}).documents == ("a\nb", "c")
