"""What is computed, counted in tokens that go into the runtime: each document's own once, each prefix once."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from exported_graphs import write_exported
from random_models import CONFIG, request

from yesrank.checkpoint import Checkpoint
from yesrank.engine.base import Engine
from yesrank.engine.onnx import engine as onnx
from yesrank.engine.onnx import open_engine as open_onnx
from yesrank.engine.openvino import open_engine, paged, stateful
from yesrank.engine.openvino.batching import filled
from yesrank.types import Prompt

KINDS = ("paged", "stateful", "onnx")
LONG = 3000  # 94 blocks


@pytest.fixture(scope="module")
def exported(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    write_exported(folder, Checkpoint(checkpoint_folder))
    (folder / "config.json").write_bytes((checkpoint_folder / "config.json").read_bytes())
    return folder


@pytest.fixture
def opened(folders, exported, monkeypatch) -> Callable[[str], tuple[Engine, list[int]]]:
    """An engine by its kind, and the tokens of every call from then on. No engine keeps anything unasked."""
    for module in (paged, stateful, onnx):
        monkeypatch.setattr(module, "PREFIX_BYTES", 0)

    def open_one(kind: str) -> tuple[Engine, list[int]]:
        engine = (
            open_onnx(exported)
            if kind == "onnx"
            else open_engine(folders["bf16"], precision="f32", paged=kind == "paged")
        )
        return engine, counted(kind, monkeypatch)

    return open_one


def counted(kind: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tokens of each call of a kind of engine, without padding and what fills it up (see batching.filled)."""
    tokens: list[int] = []
    owner, name = {
        "paged": (paged, "_inputs"),
        "stateful": (stateful, "stateful_inputs"),
        "onnx": (onnx.OnnxEngine, "_inputs"),
    }[kind]
    inputs = getattr(owner, name)

    def counting(*arguments, **options):
        made = inputs(*arguments, **options)
        size = made["input_ids"].size
        if kind == "stateful":
            past = made["attention_mask"].shape[1] - made["input_ids"].shape[1]
            size = made["attention_mask"].sum() - past * len(made["input_ids"])
        if kind == "paged":
            size = sum(span.stop - span.start for span in arguments[1])
            assert made["input_ids"].size == filled(size)
        tokens.append(int(size))
        return made

    monkeypatch.setattr(owner, name, counting)
    return tokens


def own(prompts: list[Prompt]) -> int:
    return sum(len(prompt.own) for prompt in prompts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shared", [0, 31, 64, 78, LONG])
def test_a_call_computes_its_prefix_once_and_its_documents_own(opened, kind, shared) -> None:
    engine, tokens = opened(kind)
    prompts = request(1, shared, [40, 9, 300, 12, 700, 33])
    engine.encode([*prompts, *prompts[::-1]])
    assert sum(tokens) == shared + own(prompts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shared", [31, 64, 78, LONG])
@pytest.mark.parametrize("size", [1, 3])
def test_a_kept_prefix_of_any_length_is_computed_once_over_many_calls(opened, kind, shared, size) -> None:
    engine, tokens = opened(kind)
    ours, others = request(1, shared, [20] * 8), request(2, 50, [20] * 8)
    engine.keep({ours[0].prefix})
    for begin in range(0, 8, size):
        engine.encode(ours[begin : begin + size])
        engine.encode(others[begin : begin + 1])  # what is not kept does not drive it out
    assert sum(tokens) - tokens_of_others(others, size) == shared + own(ours)


def tokens_of_others(others: list[Prompt], size: int) -> int:
    return sum(len(others[begin]) for begin in range(0, 8, size))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_longer_kept_is_given_back(opened, kind) -> None:
    engine, tokens = opened(kind)
    one, two = (request(seed, 500, [10, 10]) for seed in (1, 2))
    engine.keep({one[0].prefix, two[0].prefix})
    engine.encode([*one, *two])
    engine.keep({two[0].prefix})
    tokens.clear()
    engine.encode([*one, *two])
    assert sum(tokens) == 500 + own(one) + own(two)


@pytest.mark.parametrize("kind", KINDS)
def test_prefixes_that_come_in_turns_are_computed_once_a_call(opened, kind) -> None:
    engine, tokens = opened(kind)
    groups = [request(seed, 100 + seed, [20] * 4) for seed in range(40)]
    mixed = [prompt for group in groups for prompt in group]
    random.Random(1).shuffle(mixed)
    engine.encode(mixed)
    assert sum(tokens) == own(mixed) + sum(group[0].shared for group in groups)


def test_memory_after_a_long_kept_prefix_is_what_it_was(opened, monkeypatch) -> None:
    monkeypatch.setattr(paged, "FREE_BLOCKS", 16)
    engine, _ = opened("paged")
    prompts = request(1, LONG, [40] * 12)
    engine.keep({prompts[0].prefix})
    for prompt in prompts:
        engine.encode([prompt])
        assert engine._pool.touched <= LONG // 32 + 1 + 16
    engine.keep(())
    assert engine._pool.touched == 0


@pytest.mark.parametrize(("shared", "kept"), [(0, 0), (64, 2), (78, 3 + 1 + 5)])
def test_documents_that_run_in_one_call_take_no_blocks_of_their_own(opened, shared, kept) -> None:
    """Besides the prefix' blocks: copies of its partly filled one, for later calls and for each document."""
    engine, _ = opened("paged")
    engine.encode(request(1, shared, [120] * 6))
    assert 0 < engine._pool.touched <= kept if kept else engine._pool.touched == 0


def test_as_many_documents_as_a_call_takes_find_room_in_it(folders) -> None:
    engine = open_engine(folders["bf16"], precision="f32")
    prompts = request(1, 70, [2] * (paged.CALL_SEQUENCES + 5))
    alone = open_engine(folders["bf16"], precision="f32")
    expected = [alone.encode([prompt])[0] for prompt in prompts[-3:]]
    assert (engine.encode(prompts)[-3:] == expected).all()


def test_the_head_of_the_chain_is_kept_longest(folders, monkeypatch) -> None:
    """Where only a part of a prefix fits the bound, it is the part that a later call can begin with."""
    block = 2 * CONFIG.num_hidden_layers * CONFIG.num_key_value_heads * 32 * CONFIG.head_dim * 4
    monkeypatch.setattr(paged, "PREFIX_BYTES", 10 * block)
    engine = open_engine(folders["bf16"], precision="f32")
    tokens = counted("paged", monkeypatch)
    prompts = request(1, 640, [20, 20])
    engine.encode(prompts[:1])
    tokens.clear()
    engine.encode(prompts[1:])
    assert sum(tokens) == 640 + 20 - 10 * 32


@pytest.mark.parametrize("paging", [True, False])
def test_no_row_of_the_vocabulary_is_computed(folders, paging: bool) -> None:
    engine = open_engine(folders["int8"], paged=paging)
    compiled = engine._request.get_compiled_model()
    assert [output.partial_shape[-1].get_length() for output in compiled.outputs] == [CONFIG.hidden_size]
    engine.encode(request(1, 20, [30]))
    for op in compiled.get_runtime_model().get_ordered_ops():
        if op.get_rt_info()["layerType"].astype(str) != "Const":  # the embedding is one
            shapes = [output.partial_shape for output in op.outputs()]
            assert all(str(CONFIG.vocab_size) not in str(shape) for shape in shapes), op
