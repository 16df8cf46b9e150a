"""Resident memory over many requests of random lengths, for each engine, beside what the server counts for it.

    python benchmarks/memory.py [--requests 10000] [--model FOLDER ...]

Without a model: the built-in one, paged, stateful and on onnxruntime. A FOLDER is what `yesrank convert` makes. Each
runs in a process of its own. Queries and documents are random ids, so that no request is like another: 1 to 4
documents of 5 to 600 tokens, after a prefix of 20 to 120.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from yesrank.convert import convert_onnx
from yesrank.engine.base import Engine
from yesrank.models.folder import builtin_checkpoint, builtin_folder
from yesrank.qwen3 import Qwen3Config
from yesrank.serve.models.memory import needed_memory
from yesrank.types import Prompt


def main() -> None:
    """One process an engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--model", type=Path, nargs="+", help="folders, with the engine they are made for")
    parser.add_argument("--precision", default="auto", help="auto, f32, bf16 or int8, for OpenVINO")
    parser.add_argument("--engine", choices=("paged", "stateful", "onnx"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        watch(given.engine, given.model[0], given.precision, given.requests)
        return
    with tempfile.TemporaryDirectory() as work:
        for engine, folder in _runs(given.model, Path(work)):
            print(f"{folder.name}, {engine}", flush=True)
            command = [sys.executable, __file__, "--engine", engine, "--model", str(folder)]
            options = ["--requests", str(given.requests), "--precision", given.precision]
            subprocess.run([*command, *options], check=True)


def watch(kind: str, folder: Path, precision: str, requests: int) -> None:
    """Prints a line at each tenth of the requests: MB, and processor seconds."""
    engine = _open(kind, folder, precision)
    vocabulary = Qwen3Config.from_folder(folder).vocab_size
    random, used = np.random.default_rng(0), time.process_time()
    print(f"{0:7} requests {_resident():6.0f} MB")
    for done in range(1, requests + 1):
        engine.encode(_request(random, vocabulary))
        if done % max(1, requests // 10) == 0:
            seconds = time.process_time() - used
            print(f"{done:7} requests {_resident():6.0f} MB {seconds:8.1f} CPU s", flush=True)
    counted = needed_memory(folder, precision, engine="onnx" if kind == "onnx" else None)
    print(f"the server counts {counted / 1e6:.0f} MB")


def _runs(models: list[Path] | None, work: Path) -> list[tuple[str, Path]]:
    if models:
        return [("onnx" if (model / "onnx").is_dir() else "paged", model) for model in models]
    convert_onnx(builtin_checkpoint(), work / "builtin-onnx", variants=("int8",))
    return [("paged", builtin_folder()), ("stateful", builtin_folder()), ("onnx", work / "builtin-onnx")]


def _open(kind: str, folder: Path, precision: str) -> Engine:
    if kind == "onnx":
        from yesrank.engine.onnx import open_engine as open_onnx

        return open_onnx(folder)
    from yesrank.engine.openvino import open_engine

    return open_engine(folder, precision=precision, paged=kind == "paged")


def _request(random: np.random.Generator, vocabulary: int) -> list[Prompt]:
    prefix = random.integers(0, vocabulary, random.integers(20, 120)).tolist()
    lengths = np.exp(random.uniform(np.log(5), np.log(600), random.integers(1, 5))).astype(int)
    return [
        Prompt.of([*prefix, *random.integers(0, vocabulary, length).tolist()], len(prefix))
        for length in lengths
    ]


def _resident() -> float:
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    main()
