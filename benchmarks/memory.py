"""Resident memory over many requests of random lengths, for each engine, beside what the server counts for it.

    python benchmarks/memory.py [--requests 10000] [--model FOLDER ...] [--engine paged|stateful|onnx|serve ...]

Without a model: the built-in one, paged, stateful, on onnxruntime, and in `yesrank serve`. A FOLDER is what `yesrank
convert` makes. Each runs in a process of its own. Queries and documents are random, so that no request is like another:
1 to 4 documents of 5 to 600 tokens, after a prefix of 20 to 120; for the server as many characters of text. `before` is
the process without an engine: what the server counts is to be compared with the growth from there.
"""

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from yesrank.convert import convert_onnx
from yesrank.engine.base import Engine
from yesrank.models.folder import builtin_checkpoint, builtin_folder
from yesrank.qwen3 import Qwen3Config
from yesrank.serve.models.memory import needed_memory
from yesrank.types import Prompt

ENGINES = ("paged", "serve", "stateful", "onnx")
LETTERS = 2  # a token, of letters in no order
Ask = Callable[[np.random.Generator], object]


def main() -> None:
    """One process an engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--model", type=Path, nargs="+", help="folders, with the engine they are made for")
    parser.add_argument("--precision", default="auto", help="auto, f32, bf16 or int8, for OpenVINO")
    parser.add_argument("--engine", choices=ENGINES, nargs="+", help="which to run; without it, all that fit")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        watch(given.engine[0], given.model[0], given.precision, given.requests)
        return
    with tempfile.TemporaryDirectory() as work:
        for engine, folder in _runs(given.model, Path(work)):
            if given.engine and engine not in given.engine:
                continue
            print(f"{folder.name}, {engine}", flush=True)
            command = [sys.executable, __file__, "--alone", "--engine", engine, "--model", str(folder)]
            options = ["--requests", str(given.requests), "--precision", given.precision]
            subprocess.run([*command, *options], check=True)


def watch(kind: str, folder: Path, precision: str, requests: int) -> None:
    """Prints a line at each tenth of the requests: MB, and processor seconds."""
    counted = needed_memory(folder, precision, engine="onnx" if kind == "onnx" else None)
    with _asked(kind, folder, precision) as (process, ask):
        random, used = np.random.default_rng(0), _seconds(process)
        print(f"{0:7} requests {_resident(process):6.0f} MB", flush=True)
        for done in range(1, requests + 1):
            ask(random)
            if done % max(1, requests // 10) == 0:
                seconds = _seconds(process) - used
                print(f"{done:7} requests {_resident(process):6.0f} MB {seconds:8.1f} CPU s", flush=True)
    print(f"the server counts {counted / 1e6:.0f} MB", flush=True)


@contextmanager
def _asked(kind: str, folder: Path, precision: str) -> Iterator[tuple[psutil.Process, Ask]]:
    """A process, and what sends it one request. It says first how large the process is without a model."""
    if kind == "serve":
        with _served(folder, precision) as (process, port):
            print(f" before          {_resident(process):6.0f} MB", flush=True)
            yield process, partial(_post, http.client.HTTPConnection("127.0.0.1", port))
        return
    process, vocabulary = psutil.Process(), Qwen3Config.from_folder(folder).vocab_size
    print(f" before          {_resident(process):6.0f} MB", flush=True)
    engine = _open(kind, folder, precision)
    yield process, lambda random: engine.encode(_request(random, vocabulary))
    engine.close()


@contextmanager
def _served(folder: Path, precision: str) -> Iterator[tuple[psutil.Process, int]]:
    """A server of one model, which is not loaded yet, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "yesrank", "serve", str(folder), "--lazy", "--port", str(port)]
    process = subprocess.Popen([*command, "--precision", precision], stderr=subprocess.DEVNULL)
    try:
        while True:
            time.sleep(0.2)
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait()


def _post(connection: http.client.HTTPConnection, random: np.random.Generator) -> None:
    texts = [_text(random, length * LETTERS) for length in _lengths(random)]
    body = json.dumps({"query": _text(random, random.integers(20, 120)), "documents": texts})
    connection.request("POST", "/v1/rerank", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.read() and answer.status != 200:
        raise RuntimeError(f"the server answered {answer.status}")


def _text(random: np.random.Generator, characters: int) -> str:
    return "".join(random.choice([*"etaoinshrdlu    "], characters))


def _runs(models: list[Path] | None, work: Path) -> list[tuple[str, Path]]:
    if models:
        return [("onnx" if (model / "onnx").is_dir() else "paged", model) for model in models]
    convert_onnx(builtin_checkpoint(), work / "builtin-onnx", variants=("int8",))
    own = [(engine, builtin_folder()) for engine in ("paged", "serve", "stateful")]
    return [*own, ("onnx", work / "builtin-onnx")]


def _open(kind: str, folder: Path, precision: str) -> Engine:
    if kind == "onnx":
        from yesrank.engine.onnx import open_engine as open_onnx

        return open_onnx(folder)
    from yesrank.engine.openvino import open_engine

    return open_engine(folder, precision=precision, paged=kind == "paged")


def _request(random: np.random.Generator, vocabulary: int) -> list[Prompt]:
    prefix = random.integers(0, vocabulary, random.integers(20, 120)).tolist()
    return [
        Prompt.of([*prefix, *random.integers(0, vocabulary, length).tolist()], len(prefix))
        for length in _lengths(random)
    ]


def _lengths(random: np.random.Generator) -> list[int]:
    """Of 1 to 4 documents, in tokens: 5 to 600, as many between 5 and 55 as between 55 and 600."""
    return np.exp(random.uniform(np.log(5), np.log(600), random.integers(1, 5))).astype(int).tolist()


def _resident(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


if __name__ == "__main__":
    main()
