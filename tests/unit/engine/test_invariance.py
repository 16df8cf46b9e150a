"""A score depends on its own prompt only, bit for bit."""

import numpy as np
import pytest
from random_models import request

from yesrank.engine.openvino import open_engine


@pytest.mark.parametrize(
    ("weights", "precision", "shared", "paging"),
    [
        ("bf16", "f32", 78, True),
        ("bf16", "bf16", 78, True),
        ("int8", "int8", 0, True),
        ("int8", "int8", 78, True),
        ("int8", "int8", 96, True),
        ("int8", "w8a8", 78, True),
        ("bf16", "f32", 78, False),
        ("int8", "int8", 78, False),
    ],
)
def test_a_row_depends_on_its_own_prompt_only(folders, weights, precision, shared, paging) -> None:
    """Bit for bit: alone or in company, its prefix known or not, wherever calls are cut."""
    fresh = lambda: open_engine(folders[weights], precision=precision, paged=paging)  # noqa: E731
    prompts = request(3, shared, [2, 9, 40, 137, 700, 12, 33, 768, 769])
    company = request(4, 50, [3, 5, 200, 90])
    first = fresh().encode(prompts)
    engine = fresh()
    engine.encode(company)
    for asked in (
        [*company, *prompts[::-1]],
        [*prompts, *company],
        *[[prompt] for prompt in prompts],
        *[[prompt, *company[:2]] for prompt in prompts],
    ):
        rows = dict(zip(asked, engine.encode(asked), strict=True))
        for prompt, expected in zip(prompts, first, strict=True):
            if prompt in rows:
                assert np.array_equal(rows[prompt], expected)
