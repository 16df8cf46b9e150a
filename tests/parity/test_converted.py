"""Folders made by yesrank.convert in the hands of other programs: optimum-intel and OpenVINO GenAI."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from parity.conftest import Convert
from parity.models import F32, VOCABULARY, Shape, last_logits, padded, random_prompts
from parity.texts import DOCUMENTS, INSTRUCTION, QUERY
from yesrank.engine.openvino import open_engine
from yesrank.types import Prompt

torch = pytest.importorskip("torch")
optimum = pytest.importorskip("optimum.intel")

PROMPTS = random_prompts((1, 5, 33, 130))
WEIGHTS = ["bf16", "f16", "int8", "int8-sym", "int4"]
# groups of int4: 128 in o_proj, 64 in the rest, 32 in down_proj
SHAPES = [Shape(), Shape(tied=False, groups=1)]


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> Shape:
    return request.param


def open_in_optimum(folder: Path) -> Any:
    return optimum.OVModelForCausalLM.from_pretrained(folder, device="CPU", ov_config=dict(F32))


def our_logits(folder: Path, *, paged: bool) -> np.ndarray:
    """The whole vocabulary's logits from our engine in float32: [N, V]."""
    engine = open_engine(folder, precision="f32", paged=paged)
    try:
        hidden = engine.encode([Prompt.of(ids) for ids in PROMPTS])
        return hidden @ engine.output_rows(range(VOCABULARY)).T
    finally:
        engine.close()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_optimum_gives_our_logits(shape: Shape, weights: str, converted: Convert) -> None:
    folder = converted(shape, weights)
    theirs = last_logits(open_in_optimum(folder), PROMPTS)
    assert theirs.std() > 0.5
    assert our_logits(folder, paged=False) == pytest.approx(theirs, abs=1e-3)
    assert our_logits(folder, paged=True) == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("weights", ["bf16", "int8"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_does_not_matter(side: str, weights: str, shape: Shape, converted: Convert) -> None:
    model = open_in_optimum(converted(shape, weights))
    alone = last_logits(model, PROMPTS)
    ids, mask = padded(PROMPTS, side)
    logits = model(input_ids=ids, attention_mask=mask).logits
    last = [-1] * len(PROMPTS) if side == "left" else [len(prompt) - 1 for prompt in PROMPTS]
    assert logits[range(len(PROMPTS)), last].numpy() == pytest.approx(alone, abs=1e-3)


def test_a_cache_continues_where_it_left_off(shape: Shape, converted: Convert) -> None:
    """The state's variables work as those of an export: a prompt in two halves, and beam_idx."""
    model = open_in_optimum(converted(shape, "bf16"))
    prompt = torch.tensor([list(PROMPTS[-1])])
    whole = model(input_ids=prompt, attention_mask=torch.ones_like(prompt)).logits
    first = model(input_ids=prompt[:, :70], attention_mask=torch.ones_like(prompt[:, :70]))
    second = model(
        input_ids=prompt[:, 70:],
        attention_mask=torch.ones_like(prompt),
        past_key_values=first.past_key_values,
    )
    assert second.logits.numpy() == pytest.approx(whole[:, 70:].numpy(), abs=1e-3)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_genai_generates_what_optimum_does(weights: str, shape: Shape, converted: Convert) -> None:
    genai = pytest.importorskip("openvino_genai")
    folder = converted(shape, weights)
    prompt = PROMPTS[2]
    ids = torch.tensor([list(prompt)])
    wanted = open_in_optimum(folder).generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=12,
        eos_token_id=-1,
    )
    pipeline = genai.LLMPipeline(str(folder), "CPU", **F32)
    tokens = genai.TokenizedInputs(
        ov.Tensor(np.array([prompt])), ov.Tensor(np.ones((1, len(prompt)), np.int64))
    )
    found = pipeline.generate(tokens, max_new_tokens=12, do_sample=False, ignore_eos=True)
    assert found.tokens[0] == wanted[0, len(prompt) :].tolist()


def test_tokenizer_ir_tokenizes_as_tokenizer_json(converted: Convert) -> None:
    genai = pytest.importorskip("openvino_genai")
    from tokenizers import Tokenizer

    folder = converted(SHAPES[0], "int8")
    texts = [
        QUERY,
        INSTRUCTION,
        *(text for text in DOCUMENTS if text),
        "<|im_start|>user\n<think>\n\n</think>\n\n",
    ]
    judge = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer = genai.Tokenizer(str(folder))
    for text in texts:
        wanted = judge.encode(text, add_special_tokens=False).ids
        encoded = tokenizer.encode(text, add_special_tokens=False).input_ids
        assert encoded.data[0].tolist() == wanted
        assert tokenizer.decode(wanted, skip_special_tokens=False) == unicodedata.normalize("NFC", text)
