"""A long prompt in pieces, with others between: nothing is computed twice, and every row is the same bit by bit."""

import random

import numpy as np
import pytest
from exported_graphs import write_exported
from random_models import request
from test_cost import KINDS, counted

from yesrank.checkpoint import Checkpoint
from yesrank.engine.onnx import engine as onnx
from yesrank.engine.onnx import open_engine as open_onnx
from yesrank.engine.openvino import open_engine, paged, stateful
from yesrank.types import Prompt

LONG = 3000


@pytest.fixture(scope="module")
def exported(checkpoint_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    write_exported(folder, Checkpoint(checkpoint_folder))
    (folder / "config.json").write_bytes((checkpoint_folder / "config.json").read_bytes())
    return folder


@pytest.fixture
def opened(folders, exported, monkeypatch):
    """Engines of a kind that keep nothing unasked."""
    for module in (paged, stateful, onnx):
        monkeypatch.setattr(module, "PREFIX_BYTES", 0)
    monkeypatch.setattr(onnx, "CALL_TOKENS", 256)
    monkeypatch.setattr(stateful, "PREFIX_TOKENS", 256)

    def open_one(kind: str, weights: str = "bf16", precision: str = "f32"):
        if kind == "onnx":
            return open_onnx(exported)
        return open_engine(folders[weights], precision=precision, paged=kind == "paged")

    return open_one


def in_pieces(engine, asked: list[Prompt], draw: random.Random, others: list[Prompt]) -> int:
    """Begins the first prompt as far as that goes, with others between; returns how many tokens that were."""
    total = 0
    while computed := engine.begin(asked[0], draw.choice([2, 31, 100, 256, 700])):
        total += computed
        engine.keep((), asked[0])
        if draw.random() < 0.5:
            engine.encode(draw.sample(others, 2))
            engine.keep((), asked[0])
    return total


@pytest.mark.parametrize(
    ("shared", "first"), [(LONG, 20), (LONG, 1), (70, 1500), (0, 900), (64, 40), (1, 2), (0, 1)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_prompts_that_ran_at_once(opened, kind, shared, first) -> None:
    asked, others = request(1, shared, [first, 9, 40, 300]), request(2, 50, [20] * 6)
    whole = opened(kind).encode(asked)
    engine = opened(kind)
    for seed in range(3):
        in_pieces(engine, asked, random.Random(seed), others)
        order = random.Random(seed).sample([*asked, *others[:2]], 6)
        rows = dict(zip(order, engine.encode(order), strict=True))
        assert all(np.array_equal(rows[prompt], row) for prompt, row in zip(asked, whole, strict=True))


@pytest.mark.parametrize("precision", ["int8", "w8a8"])
def test_rows_are_the_same_with_eight_bits(opened, precision) -> None:
    asked, others = request(1, LONG, [20, 300]), request(2, 50, [20] * 6)
    whole = opened("paged", "int8", precision).encode(asked)
    engine = opened("paged", "int8", precision)
    in_pieces(engine, asked, random.Random(1), others)
    assert np.array_equal(engine.encode(asked), whole)


@pytest.mark.parametrize(("shared", "first"), [(LONG, 20), (70, 1500)])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_computed_twice(opened, monkeypatch, kind, shared, first) -> None:
    engine = opened(kind)
    asked = request(1, shared, [first, 9, 40])
    tokens = counted(kind, monkeypatch)
    told = 0
    while computed := engine.begin(asked[0], 256):
        told += computed
        engine.keep((), asked[0])
    assert told == sum(tokens)
    if kind != "stateful" or shared == LONG:  # the stateful engine begins prefixes only
        assert told >= (shared + first) // 2
    engine.encode(asked)
    assert sum(tokens) == shared + first + 49


def test_a_cached_beginning_is_not_computed_again_and_stays_while_a_prompt_is_begun(
    opened, monkeypatch
) -> None:
    engine = opened("paged")
    kept, asked = request(1, 640, [20, 900]), request(2, 50, [20])
    engine.keep({kept[0].prefix})
    engine.encode(kept[:1])
    tokens = counted("paged", monkeypatch)
    assert engine.begin(kept[1], 100) == 100
    engine.keep((), kept[1])  # its prefix is named no more, but is still read
    engine.encode(asked)
    found = engine.encode(kept[1:])
    assert sum(tokens) == 900 + 70
    assert np.array_equal(found, opened("paged").encode(kept[1:]))


def test_a_prompt_that_is_not_named_goes(opened) -> None:
    engine = opened("paged")
    asked, other = request(1, LONG, [20]), request(2, LONG, [20])
    engine.begin(asked[0], 2000)
    engine.begin(other[0], 100)  # takes its place
    assert len(engine._begun.owned) == 4
    engine.keep((), asked[0])
    assert engine._begun is None
    assert len(engine._pool._free) == engine._pool._capacity


def test_a_piece_that_fails_leaves_the_engine_usable(opened, monkeypatch) -> None:
    engine = opened("paged")
    asked = request(1, LONG, [20, 30])
    engine.begin(asked[0], 1000)
    infer = engine._infer
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_infer", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.begin(asked[0], 1000)
    assert engine._infer == infer
    assert np.array_equal(engine.encode(asked), opened("paged").encode(asked))
