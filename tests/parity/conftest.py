"""What the comparisons share: folders made once a session, and the warnings of other people's code."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from parity import models
from parity.models import Shape
from yesrank.convert import convert

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is made here; nothing may be looked up elsewhere

# pyproject.toml makes every warning an error. These are raised inside the packages compared with.
THIRD_PARTY = (
    "ignore:`torch.jit:DeprecationWarning",  # optimum-intel exports by tracing
    "ignore::torch.jit.TracerWarning",
    "ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning",  # its exports, before they are saved
)

Save = Callable[[Shape, str], Path]
Convert = Callable[[Shape, str], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for each in THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(each))


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Save:
    """(shape, dtype) -> the folder of a checkpoint saved by transformers."""

    @cache
    def make(shape: Shape, dtype: str) -> Path:
        return models.save(tmp_path_factory.mktemp("saved"), shape, dtype, small_tokenizer)

    return make


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory, saved: Save) -> Convert:
    """(shape, weights) -> the folder that yesrank converts a bfloat16 checkpoint to, with a tokenizer IR."""
    pytest.importorskip("openvino_tokenizers")

    @cache
    def make(shape: Shape, weights: str) -> Path:
        target = tmp_path_factory.mktemp("converted") / weights
        convert(saved(shape, "bfloat16"), target, weights=weights, tokenizer_ir=True)
        return target

    return make
