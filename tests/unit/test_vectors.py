"""Vectors from hidden states: cut, made one long, and in other types."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yesrank import vectors
from yesrank.errors import InputError

HIDDEN = np.random.default_rng(3).standard_normal((9, 64)).astype(np.float32) * 30


def test_vectors_are_cut_and_then_made_one_long() -> None:
    found = vectors.unit(HIDDEN, 40)
    assert found.dtype == np.float32 and found.shape == (9, 40)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(9), abs=1e-6)
    whole = vectors.unit(HIDDEN, 64)
    again = whole[:, :40] / np.linalg.norm(whole[:, :40], axis=1, keepdims=True)
    assert found == pytest.approx(again, abs=1e-6)
    assert (vectors.unit(np.zeros((1, 8), np.float32), 8) == 0).all()


def test_int8_keeps_the_cosine_and_does_not_depend_on_the_others() -> None:
    unit = vectors.unit(HIDDEN, 64)
    stored = vectors.stored(unit, "int8")
    assert stored.dtype == np.int8 and np.abs(stored).max(axis=1).tolist() == [127] * 9
    assert vectors.cosines(stored, stored) == pytest.approx(vectors.cosines(unit, unit), abs=0.01)
    assert (vectors.stored(unit[4:5], "int8") == stored[4]).all()
    assert (vectors.stored(unit, "uint8").astype(int) - 128 == stored).all()


def test_bits_are_packed_with_the_first_in_the_highest_place() -> None:
    unit = vectors.unit(HIDDEN, 64)
    packed = vectors.stored(unit, "ubinary")
    assert packed.dtype == np.uint8 and packed.shape == (9, 8)
    assert (np.unpackbits(packed, axis=1).astype(bool) == (unit > 0)).all()
    signed = vectors.stored(unit, "binary")
    assert signed.dtype == np.int8 and (signed.astype(int) + 128 == packed).all()


def test_half_precision() -> None:
    unit = vectors.unit(HIDDEN, 64)
    assert vectors.stored(unit, "float16") == pytest.approx(unit, abs=1e-3)
    assert vectors.stored(unit, "float32") is not None and vectors.stored(unit, "float16").dtype == np.float16


@pytest.mark.parametrize("dimensions", [0, 31, 65, -1, True, 40.0])
def test_dimensions_that_the_model_does_not_have(dimensions: object) -> None:
    with pytest.raises(InputError, match="dimensions: must be 32 to 64"):
        vectors.check_dimensions(dimensions, 64)  # type: ignore[arg-type]


def test_types_that_there_are_not() -> None:
    with pytest.raises(InputError, match="'float64' is not known"):
        vectors.check_output("float64", 64)
    with pytest.raises(InputError, match="multiple of 8"):
        vectors.check_output("binary", 63)
    vectors.check_output("int8", 63)


@given(st.integers(1, 5), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_every_cosine_is_one_of_two_of_length_one(rows: int, width: int, seed: int) -> None:
    some = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    found = vectors.cosines(some, some)
    assert found.shape == (rows, rows) and np.diag(found) == pytest.approx(np.ones(rows), abs=1e-5)
    assert np.abs(found).max() <= 1 + 1e-5
