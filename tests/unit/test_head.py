"""The two-row head: exact, and stable for any logit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from yesrank import head

finite = st.floats(-(2.0**60), 2.0**60, width=32)


def test_logit_is_yes_minus_no() -> None:
    hidden = np.array([[1, 2, 3], [0, -1, 0.5]], np.float32)
    rows = np.array([[1, 0, 1], [0, 1, 0]], np.float32)
    assert head.logits(hidden, rows).tolist() == [2.0, 1.5]
    assert head.logits(hidden, rows).dtype == np.float32


def test_rows_that_nearly_cancel_keep_their_difference() -> None:
    """Two logits of 1000, rounded to bf16 or even float32 one by one, would lose a difference of 2^-13."""
    hidden = np.full((1, 4), 1000.0, np.float32)
    rows = np.array([[1 + 2**-23, 1, 1, 1], [1, 1, 1, 1]], np.float32)
    assert head.logits(hidden, rows)[0] == np.float32(1000 * 2**-23)


def test_no_prompts_give_no_logits() -> None:
    assert head.logits(np.zeros((0, 4), np.float32), np.zeros((2, 4), np.float32)).shape == (0,)


@given(arrays.arrays(np.float32, st.integers(1, 20), elements=finite))
def test_scores_are_probabilities_in_the_order_of_the_logits(logits: np.ndarray) -> None:
    scores = head.scores(logits)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores[np.argsort(logits)]) >= 0).all()


@given(st.floats(-80, 80, width=32))
def test_score_is_the_softmax_over_no_and_yes(logit: float) -> None:
    no, yes = np.exp(np.array([0.0, logit], np.float64) - max(0.0, logit))
    assert np.isclose(head.scores(np.array([logit], np.float32))[0], yes / (no + yes), rtol=1e-6, atol=1e-38)


def test_extreme_logits_do_not_overflow() -> None:
    with np.errstate(all="raise", under="ignore"):
        scores = head.scores(np.array([-np.inf, -1e30, 0, 1e30, np.inf], np.float32))
    assert scores.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
