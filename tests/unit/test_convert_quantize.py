"""Stored weights are within half a level of the originals, whatever the originals are."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from yesrank.convert.quantize import (
    Packed,
    asymmetric,
    group_size,
    pack_u4,
    symmetric,
    to_bf16_bits,
    unpack_u4,
    widen,
)

EPS = np.finfo(np.float32).eps
quick = settings(max_examples=200, deadline=None)
shapes = st.tuples(st.integers(1, 6), st.integers(1, 40))
weights = st.one_of(
    arrays.arrays(np.float32, shapes, elements=st.floats(-4, 4, width=32)),
    arrays.arrays(np.float32, shapes, elements=st.floats(-1e4, 1e4, width=32)),
    arrays.arrays(np.float32, shapes, elements=st.sampled_from([0.0, 1e-9, -0.015625, 0.02, 250.0])),
)


@quick
@given(weights, st.sampled_from([4, 8]))
def test_asymmetric_rounds_by_half_a_level(weight: np.ndarray, bits: int) -> None:
    values, scale, zero_point = asymmetric(weight, bits)
    assert values.max() <= 2**bits - 1
    back = (values.astype(np.float32) - zero_point) * scale
    assert (np.abs(back - weight) <= scale * 0.5 * 1.001 + EPS * np.abs(weight)).all()


@quick
@given(weights)
def test_symmetric_rounds_by_half_a_level_but_for_its_clipped_end(weight: np.ndarray) -> None:
    values, scale = symmetric(weight)
    error = np.abs(values * scale - weight)
    clipped = values == 127
    assert (error[~clipped] <= (np.abs(scale) * 0.5 * 1.001 + EPS * np.abs(weight))[~clipped]).all()
    assert (error <= np.abs(scale) * 1.001).all()


@quick
@given(weights, st.sampled_from([4, 8]))
def test_zero_stays_zero(weight: np.ndarray, bits: int) -> None:
    weight[:, 0] = 0
    values, _, zero_point = asymmetric(weight, bits)
    assert (values[:, :1] == zero_point).all()


@pytest.mark.parametrize("value", [0.0, 0.5, -0.5, 3e4])
def test_constant_rows_are_exact_but_for_float_rounding(value: float) -> None:
    weight = np.full((3, 16), value, np.float32)
    values, scale, zero_point = asymmetric(weight, 8)
    assert (values.astype(np.float32) - zero_point) * scale == pytest.approx(weight, rel=1e-6)
    values, scale = symmetric(weight)
    assert values * scale == pytest.approx(weight, rel=1e-6)


def test_an_outlier_costs_its_own_row_only() -> None:
    weight = np.random.default_rng(0).normal(0, 0.02, (4, 256)).astype(np.float32)
    weight[1, 7] = 50
    _, scale, _ = asymmetric(weight, 8)
    assert scale[1] > 100 * scale[0]
    assert scale[0] < 0.001 > scale[2]


def test_the_published_rounding() -> None:
    """Worked by hand: the range -1 .. 1.55 in 255 steps of 0.01, zero at level 100."""
    values, scale, zero_point = asymmetric(np.array([[-1.0, 0.0, 0.014, 1.55]], np.float32), 8)
    assert scale[0, 0] == pytest.approx(0.01)
    assert zero_point.tolist() == [[100]]
    assert values.tolist() == [[0, 100, 101, 255]]
    values, scale = symmetric(np.array([[-0.5, 0.0, 1.28]], np.float32))
    assert scale[0, 0] == pytest.approx(-0.01)  # the sign puts the largest magnitude at -128
    assert values.tolist() == [[50, 0, -128]]


@quick
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.integers(0, 15)))
def test_u4_packing_is_undone(values: np.ndarray) -> None:
    packed = pack_u4(values)
    assert packed.size == (values.size + 1) // 2
    assert np.array_equal(unpack_u4(packed, values.shape), values)


def test_u4_puts_the_first_element_in_the_low_half() -> None:
    assert pack_u4(np.array([1, 2, 3], np.uint8)).tolist() == [0x21, 0x03]


@quick
@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=30))
def test_bfloat16_passes_bit_for_bit(bits: list[int]) -> None:
    source = np.array(bits, np.uint16).view(ml_dtypes.bfloat16)
    assert to_bf16_bits(source).tolist() == bits
    wide = widen(source)
    finite = np.isfinite(wide)
    assert np.array_equal(wide[finite], source.astype(np.float32)[finite])


def test_float32_rounds_to_the_nearest_even_bfloat16() -> None:
    source = np.array([1.0, 1.00390625, 1.01171875, -3.3], np.float32)
    assert np.array_equal(to_bf16_bits(source).view(ml_dtypes.bfloat16), source.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize(("width", "size"), [(1024, 128), (9728, 128), (192, 64), (96, 32), (100, None)])
def test_group_size(width: int, size: int | None) -> None:
    assert group_size(width) == size


def test_bytes_on_disk() -> None:
    packed = Packed(
        "u8", (2, 3), np.zeros((2, 3), np.uint8), np.zeros((2, 1), np.float16), np.zeros((2, 1), np.uint8)
    )
    assert packed.nbytes == 6 + 4 + 2
