"""The public class, over small random models that our converter made."""

from pathlib import Path

import numpy as np
import pytest

from yesrank import Reranker
from yesrank.errors import EngineError, InputError, ModelError, ModelNotFound

DOCUMENTS = ["Paris is the capital.", "", "x " * 50, "Paris is the capital.", "Ελλάδα 北京 🎉", "<|im_end|>"]


@pytest.fixture(scope="module")
def exact(folders) -> Reranker:
    return Reranker(folders["bf16"], precision="f32")


def test_every_document_once_in_descending_order(exact: Reranker) -> None:
    ranking = exact.rank("capital?", DOCUMENTS)
    assert sorted(hit.index for hit in ranking) == list(range(len(DOCUMENTS)))
    assert [hit.logit for hit in ranking] == sorted((hit.logit for hit in ranking), reverse=True)
    for hit in ranking:
        assert hit.document == DOCUMENTS[hit.index]
        assert hit.score == pytest.approx(1 / (1 + np.exp(-hit.logit)), abs=1e-6)
    assert ranking.tokens > 0


def test_equal_documents_keep_their_order_and_score(exact: Reranker) -> None:
    places = [hit.index for hit in exact.rank("capital?", DOCUMENTS) if hit.index in (0, 3)]
    assert places == [0, 3]


def test_the_reference_engine_agrees(exact: Reranker, checkpoint_folder: Path) -> None:
    slow = Reranker(checkpoint_folder, engine="reference")
    found = {hit.index: hit.logit for hit in exact.rank("capital?", DOCUMENTS)}
    for hit in slow.rank("capital?", DOCUMENTS):
        assert found[hit.index] == pytest.approx(hit.logit, abs=1e-3)


def test_top_n(exact: Reranker) -> None:
    whole = exact.rank("capital?", DOCUMENTS)
    assert exact.rank("capital?", DOCUMENTS, top_n=2).hits == whole.hits[:2]
    assert exact.rank("capital?", DOCUMENTS, top_n=0).hits == whole.hits
    assert len(exact.rank("capital?", DOCUMENTS, top_n=100)) == len(DOCUMENTS)


def test_score_is_rank_in_the_order_given(exact: Reranker) -> None:
    pairs = [("capital?", d) for d in DOCUMENTS] + [("other", DOCUMENTS[0])] + [("capital?", "again")]
    done: list[int] = []
    result = exact.score(pairs, progress=done.append)
    ranked = {hit.index: hit.logit for hit in exact.rank("capital?", DOCUMENTS)}
    assert [ranked[i] for i in range(len(DOCUMENTS))] == pytest.approx(
        result.logits[: len(DOCUMENTS)], abs=1e-5
    )
    assert sum(done) == len(pairs) == len(result.scores) == len(result.truncated)


def test_threshold_is_the_least_score(exact: Reranker) -> None:
    whole = exact.rank("capital?", DOCUMENTS)
    least = whole[2].score
    assert exact.rank("capital?", DOCUMENTS, threshold=least).hits == tuple(
        hit for hit in whole if hit.score >= least
    )
    assert exact.rank("capital?", DOCUMENTS, threshold=least, top_n=1).hits == whole.hits[:1]
    assert len(exact.rank("capital?", DOCUMENTS, threshold=1)) == 0
    assert exact.rank("capital?", DOCUMENTS, threshold=0) == whole


def test_a_dict_is_its_title_and_text_and_comes_back(exact: Reranker) -> None:
    record = {"id": 1, "title": "Paris", "text": "is the capital."}
    [hit] = exact.rank("capital?", [record])
    assert hit.given is record
    assert hit.document == "Paris is the capital."
    assert hit == exact.rank("capital?", iter(["Paris is the capital."]))[0]


def test_predict_is_score_as_an_array(exact: Reranker) -> None:
    pairs = [("capital?", text) for text in DOCUMENTS]
    found = exact.score(pairs)
    np.testing.assert_array_equal(exact.predict(pairs), found.scores)
    np.testing.assert_array_equal(exact.predict(np.array(pairs), activation="identity"), found.logits)
    single = exact.predict(pairs[0])
    assert type(single) is np.float32
    assert single == found.scores[0]
    with pytest.raises(InputError, match="activation"):
        exact.predict(pairs, activation="softmax")


@pytest.mark.parametrize("query", ["", " \n", "\u200b"])
def test_an_empty_query_is_refused_everywhere(exact: Reranker, query: str) -> None:
    for call in (
        lambda: exact.rank(query, ["d"]),
        lambda: exact.rank(query, ["d"], as_text=True),
        lambda: exact.score([("q", "d"), (query, "d")]),
        lambda: exact.predict((query, "d")),
        lambda: exact.prompts(query, ["d"]),
    ):
        with pytest.raises(InputError, match=r"query.* empty"):
            call()


def test_repr_says_what_runs(exact: Reranker) -> None:
    assert "openvino-paged, CPU, f32" in repr(exact)
    assert f"template card, max_length {exact.max_length}" in repr(exact)


def test_no_documents_no_hits(exact: Reranker) -> None:
    assert len(exact.rank("capital?", [])) == 0
    assert exact.score([]).logits.shape == (0,)


def test_long_documents_are_cut_and_say_so(folders) -> None:
    reranker = Reranker(folders["bf16"], max_length=200)
    flags = {hit.index: hit.truncated for hit in reranker.rank("q", ["short", "long " * 500])}
    assert flags == {0: False, 1: True}


def test_instruction_counts(exact: Reranker) -> None:
    plain = exact.rank("q", ["document"])[0].logit
    assert exact.rank("q", ["document"], instruction="Find the opposite")[0].logit != plain
    assert exact.rank("q", ["document"], instruction="")[0].logit != plain


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((None, ["d"]), "query"),
        (("q", "one string"), "documents"),
        (("q", [1]), r"documents\[0\]"),
        (("q", ["d", None]), r"documents\[1\]"),
        (("q " * 9000, ["d"]), "query"),
    ],
)
def test_bad_input_names_the_field(exact: Reranker, arguments, field: str) -> None:
    with pytest.raises(InputError, match=field):
        exact.rank(*arguments)


def test_bad_options_name_the_field(exact: Reranker, folders) -> None:
    with pytest.raises(InputError, match="top_n"):
        exact.rank("q", ["d"], top_n=-1)
    with pytest.raises(InputError, match="instruction"):
        exact.rank("q", ["d"], instruction=3)
    with pytest.raises(InputError, match=r"pairs\[1\]"):
        exact.score([("q", "d"), "qd"])
    with pytest.raises(InputError, match="max_length"):
        Reranker(folders["bf16"], max_length=10**6)
    with pytest.raises(InputError, match="template"):
        Reranker(folders["bf16"], template="jinja")
    with pytest.raises(InputError, match="engine"):
        Reranker(folders["bf16"], engine="torch")


def test_what_is_no_model_is_refused(tmp_path: Path, checkpoint_folder: Path) -> None:
    with pytest.raises(ModelNotFound, match="no model folder"):
        Reranker(tmp_path / "absent")
    with pytest.raises(ModelError):
        Reranker(tmp_path)
    with pytest.raises(ModelError, match="yesrank convert"):
        Reranker(checkpoint_folder)


def test_nan_is_an_error_not_a_score(folders, monkeypatch) -> None:
    reranker = Reranker(folders["bf16"])
    monkeypatch.setattr(
        reranker._engine, "encode", lambda prompts, progress: np.full((1, 64), np.nan, np.float32)
    )
    with pytest.raises(EngineError, match="NaN"):
        reranker.rank("q", ["d"])


def test_close_through_with(folders) -> None:
    with Reranker(folders["bf16"]) as reranker:
        reranker.rank("q", ["d"])
    with pytest.raises(EngineError, match="closed"):
        reranker.rank("q", ["d"])
