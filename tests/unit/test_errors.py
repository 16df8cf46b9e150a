"""Errors on their way to another process."""

import pickle

import pytest

from yesrank import errors

MADE = [
    errors.InputError("query", "is empty", "give one"),
    errors.EngineError("failed"),
    errors.DeviceMissing("GPU", "there is no GPU", "use CPU"),
    errors.QueueFull("full", "wait", retry_after=2.0),
    errors.MissingExtra("ray", "ray"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_pickling(error: errors.YesrankError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert vars(found) == vars(error)
