"""The whole way, from text to logit, against the model card's recipe and against sentence-transformers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from parity.conftest import Convert, Save
from parity.models import CARD_PREFIX, CARD_SUFFIX, F32, Shape, card_logits
from parity.texts import DOCUMENTS, INSTRUCTION, QUERY
from yesrank import Reranker
from yesrank.prompt import DEFAULT_INSTRUCTION

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

# The largest error of a logit, in units of 3.4: what a hidden state of the usual size in no particular direction gives
# with these heads (rows of deviation 0.3 over 64 dims). Narrow random models amplify rounding more than trained ones.
UNIT = 0.3 * (2 * 64) ** 0.5
BOUNDS = {
    ("bf16", "f32"): 1e-3 / UNIT,
    ("f16", "f32"): 0.01,
    ("bf16", "bf16"): 0.05,
    ("int8", "int8"): 0.15,
    ("int8", "bf16"): 0.15,
}
SHAPES = [Shape(layers=3), Shape(layers=3, tied=False)]

# sentence-transformers gives query and document to the chat template as messages of these two roles; expressions keep
# the newlines at the end, which Jinja strips from plain text
CHAT_TEMPLATE = """\
{{- PREFIX + "<Instruct>: " + INSTRUCTION + "\\n<Query>: " -}}
{{- messages | selectattr("role", "eq", "query") | map(attribute="content") | first -}}
{{- "\\n<Document>: " -}}
{{- messages | selectattr("role", "eq", "document") | map(attribute="content") | first -}}
{{- SUFFIX -}}
"""


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> Shape:
    return request.param


@pytest.mark.parametrize(("weights", "precision"), BOUNDS)
@pytest.mark.parametrize("instruction", [DEFAULT_INSTRUCTION, INSTRUCTION], ids=["default", "own"])
def test_logits_are_those_of_the_model_card(
    shape: Shape, weights: str, precision: str, instruction: str, converted: Convert, saved: Save
) -> None:
    expected = card_logits(saved(shape, "bfloat16"), QUERY, DOCUMENTS, instruction)
    assert expected.std() > 0.3
    with Reranker(converted(shape, weights), precision=precision) as reranker:
        found = logits(reranker, instruction)
    assert np.abs(found - expected).max() < BOUNDS[weights, precision] * UNIT


def test_the_reference_engine_scores_as_the_model_card(shape: Shape, saved: Save) -> None:
    folder = saved(shape, "bfloat16")
    with Reranker(folder, engine="reference") as reranker:
        found = logits(reranker, DEFAULT_INSTRUCTION)
    assert found == pytest.approx(card_logits(folder, QUERY, DOCUMENTS), abs=1e-3)


def test_scores_are_those_of_a_cross_encoder(
    shape: Shape, converted: Convert, saved: Save, tmp_path: Path
) -> None:
    """sentence-transformers has its own prompt (a chat template), batching and head: an independent opinion."""
    sentence_transformers = pytest.importorskip("sentence_transformers", minversion="5.4")
    folder = shutil.copytree(saved(shape, "bfloat16"), tmp_path / "model")
    template = CHAT_TEMPLATE
    for name, text in {
        "PREFIX": CARD_PREFIX,
        "INSTRUCTION": DEFAULT_INSTRUCTION,
        "SUFFIX": CARD_SUFFIX,
    }.items():
        template = template.replace(name, json.dumps(text))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    encoder = sentence_transformers.CrossEncoder(
        str(folder), device="cpu", model_kwargs={"dtype": torch.float32}, local_files_only=True
    )
    documents = [text for text in DOCUMENTS if text]
    theirs = encoder.predict(
        [(QUERY, text) for text in documents], activation_fn=torch.nn.Identity(), batch_size=4
    )
    with Reranker(converted(shape, "bf16"), precision="f32") as reranker:
        hits = sorted(reranker.rank(QUERY, documents), key=lambda hit: hit.index)
    assert [hit.logit for hit in hits] == pytest.approx(theirs, abs=1e-3)


def test_genai_reranks_our_folder_as_the_model_card(shape: Shape, converted: Convert, saved: Save) -> None:
    """TextRerankPipeline finds yes and no by itself; the caller writes the prompt, and has to ask for left padding."""
    genai = pytest.importorskip("openvino_genai")
    documents = [text for text in DOCUMENTS if text]
    pipeline = genai.TextRerankPipeline(
        str(converted(shape, "bf16")), "CPU", top_n=len(documents), padding_side="left", **F32
    )
    head = f"{CARD_PREFIX}<Instruct>: {DEFAULT_INSTRUCTION}\n<Query>: {QUERY}\n"
    hits = pipeline.rerank(head, [f"<Document>: {text}{CARD_SUFFIX}" for text in documents])
    scores = np.array([score for _, score in sorted(hits)])
    expected = card_logits(saved(shape, "bfloat16"), QUERY, documents)
    assert np.log(scores / (1 - scores)) == pytest.approx(expected, abs=2e-3)


def logits(reranker: Reranker, instruction: str) -> np.ndarray:
    hits = reranker.rank(QUERY, DOCUMENTS, instruction=instruction)
    return np.array([hit.logit for hit in sorted(hits, key=lambda hit: hit.index)])
