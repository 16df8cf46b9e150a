"""Factors of one product: what they make better, and when there are none."""

import numpy as np

from yesrank.smooth.balance import balance

DRAW = np.random.default_rng(11)
SOURCE = DRAW.standard_normal((48, 64), np.float32)
MATRIX = DRAW.standard_normal((32, 64), np.float32)


def planted(factor: float, channel: int = 5) -> tuple[np.ndarray, np.ndarray]:
    source, matrix = SOURCE.copy(), MATRIX.copy()
    source[:, channel] *= factor
    matrix[:, channel] /= factor
    return source, matrix


def is_power_of_two(values: np.ndarray) -> bool:
    return bool((np.frexp(values)[0] == 0.5).all())


def test_an_outlier_leaves_no_trace() -> None:
    """Channels x 1024 on one side and / 1024 on the other are found to the last bit, whatever else is done."""
    plain = balance(SOURCE, [MATRIX])
    for factor in (1024.0, 1 / 1024):
        source, matrix = planted(factor)
        found = balance(source, [matrix])
        assert found.columns is not None
        assert is_power_of_two(found.columns)
        assert found.before > 5 * found.after
        assert found.after <= 1.05 * plain.before


def test_what_needs_nothing_stays_as_it_is() -> None:
    """All channels alike: any factor makes it worse."""
    source = np.sign(SOURCE) * np.float32(1)
    matrix = np.sign(MATRIX) * np.float32(1)
    assert balance(source, [matrix]).columns is None


def test_one_large_token_does_not_decide() -> None:
    source, matrix = planted(1024.0)
    loud = source.copy()
    loud[7] *= 1e4
    assert np.array_equal(balance(loud, [matrix]).columns, balance(source, [matrix]).columns)


def test_heads_that_share_have_the_same_factors() -> None:
    source, matrix = planted(1024.0)
    source[:, 21] *= 1024  # the same channel of the other head
    matrix[:, 21] /= 1024
    columns = balance(source, [matrix], tied=(2, 2)).columns
    assert columns is not None
    groups = columns.reshape(2, 2, 16)
    assert np.array_equal(groups[:, 0], groups[:, 1])
    assert groups[0, 0, 5] > groups[0, 0].min() * 16


def test_no_factor_is_larger_than_it_may_be() -> None:
    source, matrix = planted(1024.0)
    most = np.full(64, 4, np.float32)
    columns = balance(source, [matrix], most=most).columns
    assert columns is not None
    assert columns.max() <= 4


def test_a_dead_channel_is_no_trouble() -> None:
    source, matrix = planted(1024.0)
    source[:, 9] = 0
    matrix[:, 10] = 0
    columns = balance(source, [matrix]).columns
    assert columns is not None
    assert np.isfinite(columns).all()
    assert columns.min() > 0
