"""Model files that are changed in place while a model runs: it goes on with the same numbers, and so do others.

In a process of its own, which a read of a truncated mapping would end.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yesrank.convert import convert_onnx

PROGRAM = """
import os, shutil, sys
from pathlib import Path

import numpy as np

from yesrank.engine.onnx import open_engine as open_onnx
from yesrank.engine.openvino import open_engine as open_openvino
from yesrank.types import Prompt

OPENVINO = {
    "paged": dict(precision="f32"),
    "stateful": dict(precision="f32", paged=False),
    "auto": {},
    "w8a8": dict(precision="w8a8"),
}


def prompts(seed):
    # of many lengths: no kernel is left to be chosen, and no matrix to be packed anew
    random = np.random.default_rng(seed)
    return [Prompt.of(tuple(random.integers(0, 1200, size).tolist())) for size in (1, 2, 7, 33, 150, 900)]


def opened(source, option):
    folder = Path(shutil.copytree(source, Path(sys.argv[1]) / f"{source.name}-{option}"))
    if option in OPENVINO:
        return folder, open_openvino(folder, **OPENVINO[option])
    return folder, open_onnx(folder, variant=option)


def change(folder, write):
    for path in folder.rglob("*"):
        if path.is_file():
            write(path)


def overwrite(path):
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))


for argument in sys.argv[2:]:
    source, option = argument.split("@")
    folder, engine = opened(Path(source), option)
    _, other = opened(Path(source).with_name("again"), option)
    before = engine.encode(prompts(1))
    for write in (overwrite, lambda path: os.truncate(path, 0)):
        change(folder, write)
        assert np.array_equal(engine.encode(prompts(1)), before), (argument, "what was computed before")
        assert np.array_equal(engine.encode(prompts(2)), other.encode(prompts(2))), (argument, "other prompts")
    engine.close()
    other.close()
print("alive")
"""


def run(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be changed there")
@pytest.mark.parametrize("weights", ["bf16", "int8", "int4"])
def test_openvino_goes_on(folders: dict[str, Path], weights: str, tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(folders[weights])
    (tmp_path / weights).symlink_to(folders[weights])
    options = ("paged", "stateful", "auto", *(("w8a8",) if weights == "int8" else ()))
    run(tmp_path, [f"{tmp_path / weights}@{option}" for option in options])


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be changed there")
def test_onnx_goes_on(checkpoint_folder: Path, tmp_path: Path) -> None:
    variants = ("fp32", "fp16", "int8", "q8", "q4", "q4f16")
    convert_onnx(checkpoint_folder, tmp_path / "onnx", variants=variants)
    (tmp_path / "again").symlink_to(tmp_path / "onnx")
    run(tmp_path, [f"{tmp_path / 'onnx'}@{variant}" for variant in variants])
