"""The OpenVINO engine against the reference engine, on the same weights."""

import threading
from pathlib import Path

import numpy as np
import pytest
from random_models import CONFIG, request

from yesrank.checkpoint import Checkpoint
from yesrank.engine.openvino import layer_states, load, open_engine, paged
from yesrank.engine.openvino.paged import PagedEngine
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import EngineError, InputError, ModelError, ModelNotFound, UnsupportedModel
from yesrank.types import FloatArray, Prompt


@pytest.fixture(scope="session")
def judge(checkpoint_folder: Path) -> ReferenceEngine:
    return ReferenceEngine(Checkpoint(checkpoint_folder))


def errors(found: FloatArray, expected: FloatArray) -> FloatArray:
    """Relative error of each row."""
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)


@pytest.mark.parametrize("paging", [True, False])
def test_float32_is_the_reference(folders, judge, mixed, paging: bool) -> None:
    engine = open_engine(folders["bf16"], precision="f32", paged=paging)
    assert engine.info.engine == ("openvino-paged" if paging else "openvino-stateful")
    assert errors(engine.encode(mixed), judge.encode(mixed)).max() < 1e-4
    assert np.allclose(engine.output_rows([3, 900]), judge.output_rows([3, 900]), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "precision", "bound"),
    [("bf16", "bf16", 0.03), ("int8", "int8", 0.06), ("int8", "bf16", 0.06), ("int4", "int8", 0.5)],
)
def test_lower_precision_drifts_within_bounds(folders, judge, mixed, weights, precision, bound) -> None:
    expected = judge.encode(mixed)
    pages = open_engine(folders[weights], precision=precision)
    plain = open_engine(folders[weights], precision=precision, paged=False)
    assert pages.info.precision == precision
    assert errors(pages.encode(mixed), expected).max() < bound
    assert errors(pages.encode(mixed), plain.encode(mixed)).max() < 0.03


def test_a_model_that_cannot_be_paged_runs_without(folders, mixed, monkeypatch) -> None:
    """Also where that shows only after a part of the graph has been rewritten."""
    expected = open_engine(folders["bf16"], precision="f32", paged=False).encode(mixed)

    def refuses(model: object) -> None:
        raise EngineError("not this one")

    monkeypatch.setattr(load, "share_cache", refuses)
    engine = open_engine(folders["bf16"], precision="f32")
    assert engine.info.engine == "openvino-stateful"
    assert np.array_equal(engine.encode(mixed), expected)
    with pytest.raises(EngineError, match="not this one"):
        open_engine(folders["bf16"], precision="f32", paged=True)


def test_small_calls_and_a_growing_pool_change_nothing(folders, judge, mixed, monkeypatch) -> None:
    for name, value in {
        "CALL_TOKENS": 48,
        "CALL_SEQUENCES": 3,
        "WINDOW_GROUPS": 2,
        "POOL_BLOCKS": 4,
        "FREE_BLOCKS": 4,
        "PREFIX_BYTES": 0,
    }.items():
        monkeypatch.setattr(paged, name, value)
    engine = open_engine(folders["bf16"], precision="f32")
    expected = judge.encode(mixed)
    for _ in range(2):
        assert errors(engine.encode(mixed), expected).max() < 1e-4


def test_a_known_prefix_is_not_computed_again(folders, judge, monkeypatch) -> None:
    engine = open_engine(folders["bf16"], precision="f32")
    tokens: list[int] = []
    infer = PagedEngine._infer
    monkeypatch.setattr(
        PagedEngine,
        "_infer",
        lambda self, batch, call, finished: (
            tokens.append(sum(span.stop - span.start for span in call)) or infer(self, batch, call, finished)
        ),
    )
    first = request(1, 100, [10, 10, 10])
    engine.encode(first)
    assert sum(tokens) == 100 + 30
    tokens.clear()
    again = [Prompt.of((*first[0].ids[:100], 7, 8, 9), 100)]
    assert errors(engine.encode(again), judge.encode(again)).max() < 1e-4
    assert sum(tokens) == 3
    tokens.clear()
    other = [Prompt.of((*first[0].ids[:70], *range(100, 150)), 110)]
    assert errors(engine.encode(other), judge.encode(other)).max() < 1e-4
    assert sum(tokens) == 120 - 64  # two blocks of 32 are those of the first request


def test_duplicates_get_the_same_row(folders, mixed) -> None:
    rows = open_engine(folders["int8"]).encode(mixed)
    assert (rows[-2] == rows[2]).all()
    assert (rows[-1] == rows[0]).all()


def test_nothing_to_do(folders, judge) -> None:
    assert open_engine(folders["bf16"]).encode([]).shape == (0, CONFIG.hidden_size)
    assert judge.encode([]).shape == (0, CONFIG.hidden_size)


def test_progress_adds_up_to_all_prompts(folders, mixed) -> None:
    done: list[int] = []
    open_engine(folders["bf16"]).encode(mixed, done.append)
    assert sum(done) == len(mixed)


def test_an_interrupted_call_leaves_the_engine_usable(folders, judge, mixed) -> None:
    engine = open_engine(folders["bf16"], precision="f32")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.encode(mixed, stop)
    assert errors(engine.encode(mixed), judge.encode(mixed)).max() < 1e-4


def test_threads_do_not_mix(folders, judge) -> None:
    engine = open_engine(folders["bf16"], precision="f32")
    requests = [request(seed, 40, [10, 50, 3]) for seed in range(6)]
    found: dict[int, FloatArray] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: engine.encode(requests[i])})) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, prompts in enumerate(requests):
        assert errors(found[index], judge.encode(prompts)).max() < 1e-4


def test_layer_states_are_the_reference(folders, judge) -> None:
    prompts = request(3, 0, [20, 5])
    found = layer_states(folders["bf16"], prompts, precision="f32")
    expected = judge.layer_states(prompts)
    assert found.shape == expected.shape == (2, CONFIG.num_hidden_layers + 1, CONFIG.hidden_size)
    assert np.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("ids", [(), tuple(range(5)) * 1000])
def test_prompts_outside_the_positions_are_refused(folders, judge, ids) -> None:
    for engine in (judge, open_engine(folders["bf16"]), open_engine(folders["bf16"], paged=False)):
        with pytest.raises(InputError, match=r"prompts\[1\]"):
            engine.encode([Prompt.of((1,)), Prompt.of(ids)])


@pytest.mark.parametrize("paging", [True, False])
def test_closed_is_closed(folders, paging: bool) -> None:
    engine = open_engine(folders["bf16"], paged=paging)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.encode([Prompt.of((1,))])
    with pytest.raises(EngineError, match="closed"):
        engine.output_rows([1])


def test_an_absent_device_is_named_with_those_that_are_here(folders) -> None:
    with pytest.raises(EngineError, match=r"GPU.* is not here; OpenVINO sees: .*CPU"):
        open_engine(folders["bf16"], device="GPU.7")


def test_precision_is_checked(folders) -> None:
    with pytest.raises(InputError, match="fp8"):
        open_engine(folders["bf16"], precision="fp8")
    with pytest.raises(InputError, match="float weights"):
        open_engine(folders["bf16"], precision="int8")


@pytest.fixture
def copy(folders, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in folders["int8"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("name", ["openvino_model.xml", "openvino_model.bin"])
def test_stubs_are_refused_with_the_reason(copy: Path, name: str) -> None:
    path = copy / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ModelError, match="cut short"):
        open_engine(copy)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="0 bytes"):
        open_engine(copy)
    path.unlink()
    with pytest.raises(ModelNotFound, match=name):
        open_engine(copy)


def test_a_broken_graph_is_refused(copy: Path) -> None:
    (copy / "openvino_model.xml").write_text("<net>nonsense</net>")
    with pytest.raises(ModelError, match="cannot be read"):
        open_engine(copy)


def test_a_model_without_state_is_refused(copy: Path) -> None:
    xml = (copy / "openvino_model.xml").read_text()
    (copy / "openvino_model.xml").write_text(xml.replace("beam_idx", "beams"))
    with pytest.raises(UnsupportedModel, match="inputs"):
        open_engine(copy)
