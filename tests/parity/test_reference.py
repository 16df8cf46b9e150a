"""The reference engine is Qwen3 as transformers computes it, in float32: it judges all other engines."""

import json
from pathlib import Path

import numpy as np
import pytest

from parity.conftest import Save
from parity.models import Shape, last_logits, load, random_prompts
from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import ReferenceEngine
from yesrank.types import Prompt

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

SHAPES = [
    Shape(),
    Shape(tied=False),
    Shape(heads=4, groups=4),
    Shape(heads=4, groups=1, tied=False),
    Shape(layers=1),
    Shape(layers=5, tied=False),
    Shape(hidden=64, heads=2, groups=1, head_dim=32),  # head_dim = hidden / heads
    Shape(hidden=48, heads=4, groups=2, head_dim=40),  # head_dim much larger
    Shape(theta=1e4),
    Shape(theta=1e4, tied=False, layers=1),
]
LENGTHS = (1, 2, 31, 255, 256, 257, 700)  # about the rows that attention takes at a time, too
PROMPTS = [Prompt.of(ids) for ids in random_prompts(LENGTHS)]
YES, NO = 11, 5


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_logits_are_those_of_transformers(shape: Shape, saved: Save) -> None:
    folder = saved(shape, "float32")
    expected = last_logits(load(folder), [prompt.ids for prompt in PROMPTS])
    assert expected[:, YES].std() > 0.5  # the comparison would prove nothing about logits that are all alike
    engine = ReferenceEngine(Checkpoint(folder))
    found = engine.encode(PROMPTS) @ engine.output_rows([YES, NO]).T
    assert found == pytest.approx(expected[:, [YES, NO]], abs=1e-4)
    assert found[:, 0] - found[:, 1] == pytest.approx(expected[:, YES] - expected[:, NO], abs=1e-4)


@pytest.mark.parametrize("shape", [Shape(layers=5), Shape(tied=False, groups=1)], ids=str)
def test_every_layer_is_that_of_transformers(shape: Shape, saved: Save) -> None:
    folder = saved(shape, "float32")
    states = ReferenceEngine(Checkpoint(folder)).layer_states(PROMPTS)
    assert states == pytest.approx(_layer_states(folder, shape.layers), abs=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_rounded_checkpoints_are_read_exactly(dtype: str, saved: Save) -> None:
    folder = saved(Shape(), dtype)
    expected = last_logits(load(folder), [prompt.ids for prompt in PROMPTS])
    engine = ReferenceEngine(Checkpoint(folder))
    found = engine.encode(PROMPTS) @ engine.output_rows([YES, NO]).T
    assert found == pytest.approx(expected[:, [YES, NO]], abs=1e-4)


@pytest.mark.parametrize("theta", [1e4, 1e6])
def test_both_ways_of_writing_the_rope_mean_the_same(theta: float, saved: Save, tmp_path: Path) -> None:
    """rope_theta as published, rope_parameters as newer versions of transformers write it."""
    folder = saved(Shape(theta=theta), "float32")
    hidden = {
        name: ReferenceEngine(_with_rope(folder, tmp_path / name, rope)).encode(PROMPTS)
        for name, rope in {
            "old": {"rope_theta": theta},
            "new": {"rope_parameters": {"rope_type": "default", "rope_theta": theta}},
            "other": {"rope_theta": 5e3},
        }.items()
    }
    assert np.array_equal(hidden["old"], hidden["new"])
    assert not np.allclose(hidden["old"], hidden["other"], atol=0.1)


def _layer_states(folder: Path, layers: int) -> np.ndarray:
    """The residual stream of each prompt's last token, taken by hooks: output_hidden_states norms the last one."""
    model = load(folder)
    kept: list[np.ndarray] = []

    def keep(_: object, __: object, output: object) -> None:
        state = output[0] if isinstance(output, tuple) else output
        kept.append(state[0, -1].numpy())

    for module in (model.model.embed_tokens, *model.model.layers):
        module.register_forward_hook(keep)
    last_logits(model, [prompt.ids for prompt in PROMPTS])
    return np.stack(kept).reshape(len(PROMPTS), layers + 1, -1)


def _with_rope(source: Path, folder: Path, rope: dict[str, object]) -> Checkpoint:
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(source / "model.safetensors")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    for key in ("rope_theta", "rope_parameters", "rope_scaling"):
        config.pop(key, None)
    (folder / "config.json").write_text(json.dumps(config | rope), encoding="utf-8")
    return Checkpoint(folder)
