"""Small random checkpoints, tied and untied, of the published models' shapes made small; vLLM runs them as they are."""

import dataclasses
from pathlib import Path

import pytest
from random_models import CONFIG

import yesrank  # noqa: F401  before vllm: it switches off the usage report
from yesrank.randomweights import write_random_checkpoint

# grouped heads whose size is not hidden / heads, as in the 0.6B
SHAPE = dataclasses.replace(
    CONFIG, hidden_size=128, num_attention_heads=4, num_key_value_heads=2, head_dim=64, num_hidden_layers=4
)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> dict[str, Path]:
    found = {}
    for name, tied in (("tied", True), ("untied", False)):
        found[name] = tmp_path_factory.mktemp(name)
        write_random_checkpoint(found[name], dataclasses.replace(SHAPE, tie_word_embeddings=tied), seed=11)
        (found[name] / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """vLLM, torch and triton warn at their import, which is no matter of these tests."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore"))
