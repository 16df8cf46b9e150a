"""Small random models and prompts, for the tests of everything that runs a model."""

import numpy as np

from yesrank.qwen3 import Qwen3Config
from yesrank.types import Prompt

CONFIG = Qwen3Config(
    hidden_size=64,
    intermediate_size=160,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    vocab_size=1200,
    max_position_embeddings=4096,
    rms_norm_eps=1e-6,
    rope_theta=1e6,
    tie_word_embeddings=True,
)


def request(seed: int, shared: int, lengths: list[int]) -> list[Prompt]:
    """Prompts that begin with the same random ids and go on for so many more."""
    random = np.random.default_rng(seed)
    prefix = tuple(random.integers(0, CONFIG.vocab_size, shared).tolist())
    return [
        Prompt.of(prefix + tuple(random.integers(0, CONFIG.vocab_size, length).tolist()), shared)
        for length in lengths
    ]
