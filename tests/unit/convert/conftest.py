"""Checkpoints of several shapes, and their ONNX folders."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from yesrank.convert import convert_onnx
from yesrank.qwen3 import Qwen3Config
from yesrank.randomweights import PRESETS, write_random_checkpoint

TIED = replace(PRESETS["tiny"], vocab_size=1280, hidden_size=128)
# nothing is a multiple of 32, no weights are shared, and the first layer is the last
ODD = replace(
    TIED,
    tie_word_embeddings=False,
    hidden_size=72,
    intermediate_size=100,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=16,
    num_hidden_layers=1,
    max_position_embeddings=700,
    rope_theta=1e4,
)
CONFIGS = {"tied": TIED, "odd": ODD}

Folders = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> dict[str, Path]:
    """Checkpoints by the names of CONFIGS."""

    def write(name: str, config: Qwen3Config) -> Path:
        folder = tmp_path_factory.mktemp(name)
        write_random_checkpoint(folder, config, seed=5)
        (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
        return folder

    return {name: write(name, config) for name, config in CONFIGS.items()}


@pytest.fixture(scope="session")
def onnx_folders(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Every variant of a checkpoint with one head; made once."""
    root = tmp_path_factory.mktemp("onnx")

    def folder(name: str, head: str) -> Path:
        target = root / f"{name}-{head}"
        if not target.exists():
            convert_onnx(sources[name], target, variants=["all"], head=head)
        return target

    return folder
