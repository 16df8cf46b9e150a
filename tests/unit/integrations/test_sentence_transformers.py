"""Code for sentence-transformers' CrossEncoder runs after a change of its import."""

import numpy as np
import pytest

from yesrank.errors import InputError
from yesrank.integrations.sentence_transformers import CrossEncoder

QUERY = "capital?"
TEXTS = ["Bananas are yellow.", "Paris is the capital.", "x"]
PAIRS = [(QUERY, text) for text in TEXTS]


class Sigmoid:
    """As torch.nn.Sigmoid() is told: by the name of its class."""


class Identity:
    pass


class Softmax:
    pass


@pytest.fixture(scope="module")
def model(folders) -> CrossEncoder:
    return CrossEncoder(str(folders["bf16"]), max_length=512, device="cpu", precision="f32")


def test_predict(model: CrossEncoder) -> None:
    plain = model.reranker.score(PAIRS)
    np.testing.assert_array_equal(model.predict(PAIRS, batch_size=2, show_progress_bar=False), plain.scores)
    for identity in ("identity", Identity()):
        np.testing.assert_array_equal(model.predict(PAIRS, activation_fn=identity), plain.logits)
    np.testing.assert_array_equal(
        model.predict([list(pair) for pair in PAIRS], 32, None, Sigmoid()), plain.scores
    )
    assert model.predict(PAIRS, convert_to_numpy=False) == plain.scores.tolist()
    single = model.predict(PAIRS[1])
    assert (type(single), single) == (np.float32, plain.scores[1])


def test_rank(model: CrossEncoder) -> None:
    ranking = model.reranker.rank(QUERY, TEXTS)
    found = model.rank(QUERY, TEXTS, return_documents=True)
    assert found == [
        {"corpus_id": hit.index, "score": np.float32(hit.score), "text": hit.document} for hit in ranking
    ]
    assert model.rank(QUERY, TEXTS, top_k=2) == [
        {"corpus_id": each["corpus_id"], "score": each["score"]} for each in found[:2]
    ]
    assert model.rank(QUERY, TEXTS, activation_fn="identity")[0]["score"] == np.float32(ranking[0].logit)


def test_the_activation_of_the_model(folders) -> None:
    model = CrossEncoder(str(folders["bf16"]), activation_fn=Identity())
    assert model.predict(PAIRS).tolist() == model.reranker.score(PAIRS).logits.tolist()
    assert model.predict(PAIRS, activation_fn="sigmoid").max() <= 1


def test_what_cannot_be_had_is_refused(model: CrossEncoder) -> None:
    for call, field in (
        (lambda: model.predict(PAIRS, activation_fn=Softmax()), "activation_fn"),
        (lambda: model.predict(PAIRS, apply_softmax=True), "apply_softmax"),
        (lambda: model.rank(QUERY, TEXTS, convert_to_tensor=True), "convert_to_tensor"),
        (lambda: model.rank(QUERY, TEXTS, top_k=-1), "top_k"),
        (lambda: model.rank(" ", TEXTS), "query"),
    ):
        with pytest.raises(InputError, match=field):
            call()
