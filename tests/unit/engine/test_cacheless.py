"""Graphs without a cache, as embedding models are exported: run with one that is put into them, and without."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from embedding_models import write_embedder

from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert
from yesrank.engine.openvino import cacheless, open_engine, passes
from yesrank.engine.openvino import layer_states as states_of
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import EngineError, ModelError
from yesrank.types import Prompt


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    return write_embedder(tmp_path_factory.mktemp("embedder") / "source", small_tokenizer)


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "bf16"
    convert(source, target, weights="bf16")
    return target


@pytest.mark.parametrize(("paged", "name"), [(None, "openvino-paged"), (False, "openvino-stateless")])
def test_both_ways_give_the_reference(
    paged: bool | None, name: str, source: Path, folder: Path, mixed: list[Prompt]
) -> None:
    expected = ReferenceEngine(Checkpoint(source, decoder_only=True)).encode(mixed)
    engine = open_engine(folder, precision="f32", paged=paged)
    try:
        assert engine.info.engine == name
        told: list[int] = []
        found = engine.encode(mixed, told.append)
        assert found == pytest.approx(expected, abs=1e-3) and sum(told) == len(mixed)
        engine.keep({mixed[0].prefix})
        assert engine.encode(mixed) == pytest.approx(found, abs=1e-4)
        with pytest.raises(ModelError, match="has no output embedding"):
            engine.output_rows([0])
    finally:
        engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.encode(mixed)


def test_texts_without_a_prefix_wait_for_no_leader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one call: the first of them computes nothing for the others."""
    engine = open_engine(folder, precision="f32")
    sizes: list[int] = []
    original = engine._infer  # type: ignore[attr-defined]

    def infer(batch: list[object], call: list[object], finished: list[object]) -> np.ndarray:
        sizes.append(len(call))
        return original(batch, call, finished)  # type: ignore[no-any-return]

    monkeypatch.setattr(engine, "_infer", infer)
    engine.encode([Prompt.of((number, 5)) for number in range(7)])
    engine.close()
    assert sizes == [7]


def test_layer_by_layer(source: Path, folder: Path, mixed: list[Prompt]) -> None:
    expected = ReferenceEngine(Checkpoint(source, decoder_only=True)).layer_states(mixed[:2])
    assert states_of(folder, mixed[:2], precision="f32") == pytest.approx(expected, abs=1e-2)


def test_padding_on_either_side_changes_nothing(folder: Path) -> None:
    """As other programs call it: positions are counted along the mask."""
    model = ov.Core().compile_model(folder / "openvino_model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    ids = np.arange(1, 8)[None]
    alone = model({"input_ids": ids, "attention_mask": np.ones_like(ids)})["last_hidden_state"]
    for before, after in ((5, 0), (0, 5), (2, 3)):
        padded = np.pad(ids, ((0, 0), (before, after)), constant_values=9)
        mask = np.pad(np.ones_like(ids), ((0, 0), (before, after)))
        found = model({"input_ids": padded, "attention_mask": mask})["last_hidden_state"]
        assert found[:, before : before + 7] == pytest.approx(alone, abs=1e-4)


def test_graphs_of_another_shape_are_left_to_the_plain_engine(folder: Path) -> None:
    model = ov.Core().read_model(folder / "openvino_model.xml")
    for node in model.get_ops():
        if node.get_type_name() == "Cos":
            node.output(0).replace(node.input_value(0))
    with pytest.raises(EngineError, match="no position embeddings"):
        cacheless.give_cache(model)
    assert passes.is_headless(model) and not cacheless.has_cache(model)
