"""What an engine keeps in memory between calls, and what devices made of others are told."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from yesrank.engine.openvino import open_engine, paged, stateful
from yesrank.types import Prompt

GROWTH = """
import sys
from pathlib import Path
import psutil
from yesrank.engine.openvino import open_engine, paged, stateful
from yesrank.types import Prompt

engine = open_engine(Path(sys.argv[1]), paged=sys.argv[2] == "paged")
engine.encode([Prompt.of([1] * 310)])
before = psutil.Process().memory_info().rss
for length in range(60, 310):
    engine.encode([Prompt.of([1] * length)])
print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory means something else there")
@pytest.mark.parametrize("attention", ["paged", "stateful"])
def test_requests_of_many_lengths_take_little_memory(folders: dict[str, Path], attention: str) -> None:
    """250 lengths: 44 to 66 MB were seen, 480 to 520 with OpenVINO's own bounds and a kernel for each length."""
    command = [sys.executable, "-c", GROWTH, str(folders["int8"]), attention]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert int(run.stdout) < 130e6


@pytest.mark.parametrize("device", ["HETERO:CPU", "MULTI:CPU", "BATCH:CPU"])
def test_devices_made_of_others_compute_what_theirs_do(folders: dict[str, Path], device: str) -> None:
    """Left to themselves they quantise activations where the processor has VNNI."""
    random = np.random.default_rng(0)
    prompts = [Prompt.of(random.integers(0, 1000, length).tolist(), 20) for length in (40, 100)]
    expected = open_engine(folders["int8"], paged=False).encode(prompts)
    assert (open_engine(folders["int8"], device=device).encode(prompts) == expected).all()


@pytest.mark.parametrize("attention", ["paged", "stateful"])
def test_calls_of_many_lengths_have_few_shapes(
    folders: dict[str, Path], attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the runtime gets to see: it compiles for each number of tokens anew."""
    engine = open_engine(folders["int8"], paged=attention == "paged")
    shapes = set()
    module, name = {"paged": (paged, "_inputs"), "stateful": (stateful, "stateful_inputs")}[attention]
    inputs = getattr(module, name)

    def watching(*arguments, **options):
        made = inputs(*arguments, **options)
        shapes.add((made["input_ids"].shape, made["last_rows"].shape if attention == "paged" else None))
        return made

    monkeypatch.setattr(module, name, watching)
    for length in range(1, 200):
        engine.encode([Prompt.of([1] * length)])
    assert len(shapes) < 70
