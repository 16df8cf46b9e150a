"""The source read once more by a way of its own: what both engines take from one misreading, no comparison shows.

The reference engine and the converters share the readers of config.json and of the tensors. So the numbers that these
gave are compared with a second reading, which shares no code with them: of the configuration by transformers 5 where
that is installed, else from the file; of the head's rows from the files.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  registers bfloat16 with numpy
import numpy as np
from safetensors import safe_open

from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import rope_tables

_SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "rms_norm_eps",
)
_CLOSE = 1e-5


@dataclass(frozen=True, slots=True)
class Reading:
    """by: who read config.json the second time. differences: what it read otherwise, in words."""

    by: str
    differences: tuple[str, ...]


def read_again(checkpoint: Checkpoint, answers: Sequence[int]) -> Reading:
    """Compares sizes, position embeddings and the rows of the answers with a second reading of the folder.

    answers: none of an embedding model, whose output embedding does not matter.
    """
    by, config = _config(checkpoint.folder)
    found = [
        f"{name} is {config[name]}, not {getattr(checkpoint.config, name)}"
        for name in _SIZES
        if config.get(name) is not None and config[name] != getattr(checkpoint.config, name)
    ]
    frequencies, size = _turns(config, checkpoint.config.head_dim)
    cos, sin = (table[1, 0].astype(np.float64) for table in rope_tables(np.arange(2), checkpoint.config))
    if not np.allclose(np.hypot(cos, sin), size, rtol=_CLOSE):
        found.append(f"cos and sin are {np.hypot(cos, sin)[0]:.5f} in size, not {size:.5f}")
    elif not np.allclose(np.arctan2(sin, cos), frequencies, rtol=1e-3, atol=1e-6):
        found.append("position embeddings turn at other frequencies (rope_theta, rope_scaling)")
    if answers and not np.array_equal(_rows(checkpoint, config, answers), checkpoint.output_rows([*answers])):
        found.append("the output rows of the answers are other ones (lm_head, tie_word_embeddings)")
    return Reading(by, tuple(f"read by {by}, {each}" for each in found))


def _rows(checkpoint: Checkpoint, config: Mapping[str, Any], answers: Sequence[int]) -> np.ndarray:
    if checkpoint.files[0].suffix == ".gguf":
        return _gguf_rows(checkpoint.files[0], answers)
    if not checkpoint.is_plain:
        return checkpoint.output_rows([*answers])
    return _head_rows(checkpoint.folder, bool(config.get("tie_word_embeddings")), answers)


def _config(folder: Path) -> tuple[str, Mapping[str, Any]]:
    """Who read it, and the content as transformers 5 has it: rope_parameters holds theta and kind."""
    try:
        installed = version("transformers")
    except PackageNotFoundError:
        installed = "0"
    if int(installed.partition(".")[0]) >= 5:  # older ones read a newer folder's theta as 10,000
        from transformers import AutoConfig  # type: ignore[import-not-found,unused-ignore]

        return f"transformers {installed}", AutoConfig.from_pretrained(
            folder, local_files_only=True
        ).to_dict()
    config = json.loads((folder / "config.json").read_bytes())
    chosen = dict(config.get("rope_scaling") or config.get("rope_parameters") or {})
    chosen.setdefault("rope_theta", config.get("rope_theta", 10_000.0))
    chosen.setdefault("rope_type", chosen.get("type", "default"))
    chosen.setdefault("original_max_position_embeddings", config["max_position_embeddings"])
    if "original_max_position_embeddings" in config:
        chosen["original_max_position_embeddings"] = config["original_max_position_embeddings"]
    return "a second reader", {**config, "rope_parameters": chosen}


def _turns(config: Mapping[str, Any], width: int) -> tuple[list[float], float]:
    """The angle from one position to the next of each pair, and the size of cos and sin.

    Pair by pair from wavelengths: YaRN's ramp runs between the pairs that turn beta_fast and beta_slow times.
    """
    rope = config["rope_parameters"]
    theta = float(rope["rope_theta"])
    plain = [theta ** -(2 * pair / width) for pair in range(width // 2)]
    if rope["rope_type"] != "yarn":
        return plain, 1.0
    length = rope["original_max_position_embeddings"]
    factor = rope["factor"] or config["max_position_embeddings"] / length

    def place(turns: float, rounded: Any) -> float:
        """Of the pair whose wavelength fits so many times into the trained length."""
        wavelength = length / turns
        exact = width / 2 * math.log(wavelength / (2 * math.pi), theta)
        return float(rounded(exact)) if rope.get("truncate", True) else exact

    low = max(0.0, place(rope.get("beta_fast") or 32, math.floor))
    high = min(width - 1.0, place(rope.get("beta_slow") or 1, math.ceil))
    slow = [min(1.0, max(0.0, (pair - low) / ((high - low) or 0.001))) for pair in range(width // 2)]
    angles = [angle * (1 - part + part / factor) for angle, part in zip(plain, slow, strict=True)]
    if rope.get("attention_factor") is not None:
        return angles, float(rope["attention_factor"])
    grown = [
        1 + 0.1 * times * math.log(max(factor, 1.0))
        for times in (rope.get("mscale") or 0, rope.get("mscale_all_dim") or 0)
    ]
    return angles, grown[0] / grown[1] if all(each > 1 for each in grown) else 1 + 0.1 * math.log(
        max(factor, 1.0)
    )


def _gguf_rows(file: Path, answers: Sequence[int]) -> np.ndarray:
    """float32 [2, D]: of the head that ranks, of the output embedding, or of the input's, whichever is there first."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    tensors = {each.name: each for each in GGUFReader(file).tensors}
    names = ("cls.output.weight", "output.weight", "token_embd.weight")
    chosen = next(tensors[name] for name in names if name in tensors)
    return dequantize(chosen.data[list(answers)], chosen.tensor_type)


def _head_rows(folder: Path, tied: bool, answers: Sequence[int]) -> np.ndarray:
    """float32 [2, D]: of lm_head where there is one (a tied one that is there has the same rows, or counts), else of
    the embedding, which stands for it where config.json says so.
    """
    single = folder / "model.safetensors"
    files = [single] if single.exists() else sorted(folder.glob("model-*.safetensors"))
    tensors: dict[str, np.ndarray] = {}
    for file in files:
        with safe_open(file, framework="np") as opened:
            for name in opened.keys():  # noqa: SIM118  no dict
                part = name.rpartition("weight")[0].rpartition(".")[0].rpartition(".")[2]
                if part == "score":
                    rows = opened.get_tensor(name).astype(np.float32)
                    return (
                        rows[list(answers)] if len(rows) > 1 else np.stack([rows[0], np.zeros_like(rows[0])])
                    )
                if part in ("lm_head", "embed_tokens"):
                    rows = opened.get_slice(name)
                    tensors[part] = np.concatenate([rows[i : i + 1].astype(np.float32) for i in answers])
    chosen = tensors.get("lm_head")
    return chosen if chosen is not None else tensors.get("embed_tokens" if tied else "lm_head", np.zeros(0))
