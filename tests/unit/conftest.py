"""A small random checkpoint, and what our converter makes of it."""

from pathlib import Path

import pytest
from random_models import CONFIG, request

from yesrank.convert import convert
from yesrank.randomweights import write_random_checkpoint
from yesrank.types import Prompt


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_random_checkpoint(folder, CONFIG, seed=7)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def folders(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Converted folders by the kind of their weights."""
    root = tmp_path_factory.mktemp("converted")
    for weights in ("bf16", "int8", "int4"):
        convert(checkpoint_folder, root / weights, weights=weights)
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def mixed() -> list[Prompt]:
    """Requests of every shape: prefixes that end inside, at and after a block, lone prompts, duplicates."""
    prompts = [
        *request(1, 78, [40, 300, 153, 1, 77]),
        *request(2, 64, [20, 33]),
        *request(3, 31, [5, 6, 7]),
        *request(4, 33, [1, 2]),
        *request(5, 0, [1]),
        *request(6, 12, [400]),
    ]
    return [*prompts, prompts[2], prompts[0]]
