"""Exports of optimum-intel, as published on Hugging Face, run by our engine: the loader knows no difference."""

import gc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.conftest import Save
from parity.models import F32, Shape, last_logits, load, random_prompts
from yesrank.checkpoint import Checkpoint
from yesrank.engine.openvino import layer_states, open_engine
from yesrank.engine.reference import ReferenceEngine
from yesrank.types import Prompt

pytest.importorskip("torch")
pytest.importorskip("nncf")
optimum = pytest.importorskip("optimum.intel")

PROMPTS = random_prompts((1, 5, 33, 130))
YES, NO = 11, 5
EXPORTS: dict[str, dict[str, Any] | None] = {
    "float": None,
    "int8": {"bits": 8, "sym": False},
    "int8-sym": {"bits": 8, "sym": True},
    "int4": {"bits": 4, "sym": False, "group_size": 32, "ratio": 1.0},
    "int4-sym": {"bits": 4, "sym": True, "group_size": 32, "ratio": 1.0},
}
# the largest relative error of a logit (to the logits' own spread) that the quantisation of two random layers may cause
DRIFT = {"float": 1e-4, "int8": 0.1, "int8-sym": 0.1, "int4": 1.2, "int4-sym": 1.2}
# of the .bin, as a share of the float32 checkpoint: whether the export is what it is called
SIZE = {"float": 1.1, "int8": 0.35, "int8-sym": 0.35, "int4": 0.35, "int4-sym": 0.35}
Export = Callable[[Shape, str], Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, saved: Save) -> Export:
    """(shape, key of EXPORTS) -> the folder of an export."""

    @cache
    def make(shape: Shape, kind: str) -> Path:
        folder = tmp_path_factory.mktemp("exported") / kind
        model = optimum.OVModelForCausalLM.from_pretrained(
            saved(shape, "float32"), export=True, compile=False, **quantisation(kind)
        )
        model.save_pretrained(folder)
        del model
        gc.collect()  # its temporary folder goes with a warning: now, where that is ignored, and not at the end
        return folder

    return make


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("shape", [Shape(), Shape(tied=False, groups=1)], ids=str)
def test_our_engine_gives_the_logits_of_the_export(
    shape: Shape, kind: str, exported: Export, saved: Save
) -> None:
    folder = exported(shape, kind)
    assert (folder / "openvino_model.bin").stat().st_size < SIZE[kind] * source_bytes(shape, saved)
    theirs = last_logits(open_in_optimum(folder), PROMPTS)[:, [YES, NO]]
    for paged in (False, True):
        assert our_logits(folder, paged=paged) == pytest.approx(theirs, abs=1e-3)
    exact = last_logits(load(saved(shape, "float32")), PROMPTS)[:, [YES, NO]]
    assert np.abs(theirs - exact).max() < DRIFT[kind] * exact.std()


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_rounded_arithmetic_stays_near_the_export(precision: str, exported: Export) -> None:
    folder = exported(Shape(), "int8")
    theirs = last_logits(open_in_optimum(folder), PROMPTS)[:, [YES, NO]]
    found = our_logits(folder, paged=True, precision=precision)
    assert np.abs(found - theirs).max() < 0.05 * theirs.std()


def test_layers_of_an_export_can_be_compared(exported: Export, saved: Save) -> None:
    prompts = [Prompt.of(ids) for ids in PROMPTS]
    expected = ReferenceEngine(Checkpoint(saved(Shape(), "float32"))).layer_states(prompts)
    found = layer_states(exported(Shape(), "float"), prompts, precision="f32")
    assert found == pytest.approx(expected, abs=1e-3)


def source_bytes(shape: Shape, saved: Save) -> int:
    return (saved(shape, "float32") / "model.safetensors").stat().st_size


def quantisation(kind: str) -> dict[str, Any]:
    """Options of from_pretrained. "float" keeps the checkpoint's float32."""
    settings = EXPORTS[kind]
    if settings is None:
        return {"load_in_8bit": False}
    return {"quantization_config": optimum.OVWeightQuantizationConfig(**settings)}


def open_in_optimum(folder: Path) -> Any:
    return optimum.OVModelForCausalLM.from_pretrained(folder, device="CPU", ov_config=dict(F32))


def our_logits(folder: Path, *, paged: bool, precision: str = "f32") -> np.ndarray:
    """Logits of yes and no: [N, 2]."""
    engine = open_engine(folder, precision=precision, paged=paged)
    try:
        return engine.encode([Prompt.of(ids) for ids in PROMPTS]) @ engine.output_rows([YES, NO]).T
    finally:
        engine.close()
