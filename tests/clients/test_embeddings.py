"""Clients of embeddings against a server with a small random embedder: their vectors are those of a plain request."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import environments
from clients.conftest import DOCUMENTS, QUERY
from clients.execute import CLIENT_SECONDS, quiet
from clients.running import KEY, Server, serving

PARTS = ("openai", "cohere", "voyageai", "langchain-openai", "huggingface_hub")
SCRIPT = Path(__file__).parent / "scripts" / "use_embeddings.py"
TOLERANCE = 2e-3  # texts may be batched in another way, and bf16 rounds otherwise then


@pytest.fixture(scope="module")
def embedding_server(tmp_path_factory: pytest.TempPathFactory, small_tokenizer: str) -> Iterator[Server]:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from embedding_models import write_embedder

    from yesrank.convert import convert

    root = tmp_path_factory.mktemp("embedder")
    convert(write_embedder(root / "source", small_tokenizer), root / "tiny-embedding", weights="bf16")
    with serving(root, str(root / "tiny-embedding"), "--precision", "f32") as running:
        yield running


@pytest.fixture(scope="module")
def plain(embedding_server: Server) -> dict[str, np.ndarray]:
    def ask(texts: list[str], **options: Any) -> np.ndarray:
        body = {"model": embedding_server.model, "input": texts, **options}
        return np.array([row["embedding"] for row in embedding_server.ask("/v1/embeddings", body)["data"]])

    documents = ask(DOCUMENTS)
    return {
        "documents": documents,
        "v1": documents,
        "query32": ask([QUERY], input_type="query", dimensions=32)[0],
        "int8": ask(DOCUMENTS, output_dtype="int8"),
    }


@pytest.mark.parametrize("part", PARTS)
def test_client(part: str, embedding_server: Server, plain: dict[str, np.ndarray]) -> None:
    case = {"url": embedding_server.url, "key": KEY, "model": embedding_server.model}
    done = subprocess.run(
        [str(environments.python_of("embeddings")), str(SCRIPT), part],
        input=json.dumps({**case, "texts": DOCUMENTS, "query": QUERY}),
        capture_output=True,
        text=True,
        check=False,
        # offline, huggingface_hub asks no machine at all; the guard tells where it asks another than this
        env={name: value for name, value in quiet().items() if name != "HF_HUB_OFFLINE"},
        cwd=SCRIPT.parent,
        timeout=CLIENT_SECONDS,
    )
    assert done.returncode == 0, f"{part} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "beyond this machine" not in done.stderr, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["documents"]
    for name, expected in plain.items():
        if name in told:
            away = 1 if name == "int8" else TOLERANCE
            assert np.array(told[name], float) == pytest.approx(expected, abs=away), name
    assert told.get("tokens", 100) > 50
    assert "dimensions: must be 32 to 64" in told.get("refusal", "dimensions: must be 32 to 64")
