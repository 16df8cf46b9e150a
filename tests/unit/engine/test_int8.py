"""Int8 products: both ways to them against float32, and the proof that they really happen."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from random_models import request

from yesrank.checkpoint import Checkpoint
from yesrank.convert import convert
from yesrank.engine.openvino import int8, open_engine
from yesrank.engine.openvino.files import check_ir
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import InputError
from yesrank.types import FloatArray


@pytest.fixture(scope="session")
def symmetric(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("symmetric") / "int8-sym"
    convert(checkpoint_folder, folder, weights="int8-sym")
    return folder


def errors(found: FloatArray, expected: FloatArray) -> FloatArray:
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)


def encoded(folder: Path, prompts, precision: str = "w8a8", **options) -> FloatArray:
    engine = open_engine(folder, precision=precision, **options)
    try:
        return engine.encode(prompts)
    finally:
        engine.close()


@pytest.fixture(params=["property", "graph"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways, whichever this processor would be given."""
    acts = request.param == "property"
    if acts and not int8._acts(ov.Core(), "CPU", "f32", 16):
        pytest.skip("this processor has no int8 products that OpenVINO's property turns on")
    monkeypatch.setattr(int8, "_acts", lambda *_: acts)
    return request.param


@pytest.mark.parametrize("paging", [True, False])
def test_activations_are_rounded_and_no_more_than_that(
    folders, checkpoint_folder, mixed, way, paging: bool
) -> None:
    expected = ReferenceEngine(Checkpoint(checkpoint_folder)).encode(mixed)
    plain = encoded(folders["int8"], mixed, "int8", paged=paging)
    found = encoded(folders["int8"], mixed, paged=paging)
    assert errors(found, plain).min() > 1e-4, "nothing was rounded"
    assert errors(found, expected).max() < 0.08  # int8 weights alone: 0.06


def test_symmetric_weights(symmetric, checkpoint_folder, mixed, way) -> None:
    expected = ReferenceEngine(Checkpoint(checkpoint_folder)).encode(mixed)
    assert errors(encoded(symmetric, mixed), expected).max() < 0.08


def test_a_score_does_not_depend_on_its_company(folders, way) -> None:
    prompts = request(3, 40, [90, 33, 160])
    engine = open_engine(folders["int8"], precision="w8a8")
    together = engine.encode(prompts)
    alone = np.concatenate([engine.encode([prompt]) for prompt in reversed(prompts)])[::-1]
    assert errors(alone, together).max() < 0.01
    engine.close()


def test_what_was_rounded_is_said(folders) -> None:
    engine = open_engine(folders["int8"], precision="w8a8")
    assert engine.info.precision == "w8a8"
    assert "rounded to int8" in engine.info.note
    engine.close()


def test_auto_never_rounds_activations(folders) -> None:
    engine = open_engine(folders["int8"])
    assert engine.info.precision in ("int8", "f32")
    engine.close()


@pytest.mark.parametrize("weights", ["bf16", "int4"])
def test_other_weights_are_refused(folders, weights: str) -> None:
    with pytest.raises(InputError, match="w8a8"):
        open_engine(folders[weights], precision="w8a8")


def test_the_group_fits_the_narrowest_matrix(folders) -> None:
    """One that is wider than a matrix turns the rounding off without a word."""
    model = ov.Core().read_model(check_ir(folders["int8"])[0])
    products = list(int8._products(model))
    narrowest = min(product.input_value(1).get_shape()[1] for product in products)
    group = int8._group(products)
    assert 0 < group <= min(narrowest, int8.GROUP)
    assert group % 16 == 0


def test_the_written_rounding_is_the_formula() -> None:
    """One asymmetric matrix: the graph's product against numpy's, in float32."""
    draw = np.random.default_rng(5)
    values = draw.integers(0, 256, (6, 32), dtype=np.uint8)
    zero = draw.integers(90, 160, (6, 1), dtype=np.uint8)
    scale = draw.uniform(0.01, 0.02, (6, 1)).astype(np.float16)
    ops = ov.opset13
    centred = ops.subtract(
        ops.convert(ops.constant(values), np.float16), ops.convert(ops.constant(zero), np.float16)
    )
    weight = ops.convert(ops.multiply(centred, ops.constant(scale)), np.float32)
    source = ops.parameter([-1, 32], np.float32)
    model = ov.Model([ops.matmul(source, weight, False, True)], [source])
    int8.rewrite(model)
    x = draw.standard_normal((9, 32)).astype(np.float32)
    x[3] *= 1000
    x[4] = 0
    found = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    largest = np.maximum(np.abs(x).max(axis=1, keepdims=True), 1e-12)
    rounded = np.rint(x / largest * 127) / 127 * largest
    expected = rounded @ ((values.astype(np.float32) - zero) * scale.astype(np.float32)).T
    step = np.abs(expected).max(axis=1, keepdims=True) / 127  # a tie may be rounded either way
    assert np.all(np.abs(found - expected) <= np.maximum(step, 1e-6))
    assert errors(found[[0, 1, 2, 3]], expected[[0, 1, 2, 3]]).max() < 0.01
