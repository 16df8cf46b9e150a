"""GGUF files: llama.cpp ranks with the same file, and its scores are ours within what its arithmetic rounds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import CONFIG

from yesrank import Reranker
from yesrank.checkpoint import Checkpoint
from yesrank.randomweights import write_random_checkpoint

pytest.importorskip("gguf")
llama = pytest.importorskip("xllamacpp")

QUERY, DOCUMENTS = "What is a licence?", ["A licence lets you copy the work.", "It rains.", "yes or no"]
# of a score: llama.cpp rounds activations to 8 bits where weights are quantised, and to the weights' type elsewhere
BOUNDS = {"F32": 1e-4, "F16": 5e-4, "BF16": 3e-3, "Q8_0": 0.01, "Q4_0": 0.015}
DRAWN = ("Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "IQ4_XS")
BOUNDS |= dict.fromkeys(DRAWN, 0.015)


def theirs(path: Path, documents: Sequence[str]) -> list[float]:
    params = llama.CommonParams()
    params.model.path = str(path)
    params.embedding = True
    params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 1, 1
    params.warmup = False
    answer = llama.Server(params).handle_rerank({"query": QUERY, "documents": list(documents)})
    scores = {each["index"]: each["relevance_score"] for each in answer["results"]}
    return [scores[index] for index in range(len(documents))]


@pytest.mark.parametrize("kind", BOUNDS)
def test_llama_cpp_gives_the_same_scores(kind: str, tmp_path: Path, small_tokenizer: str) -> None:
    from gguf_models import write_gguf

    config = replace(CONFIG, hidden_size=256, intermediate_size=512, head_dim=64, tie_word_embeddings=False)
    write_random_checkpoint(tmp_path, config, seed=3)
    (tmp_path / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    path = write_gguf(tmp_path.with_suffix(".gguf"), Checkpoint(tmp_path), kind)
    with Reranker(path, engine="reference") as reranker:
        found = reranker.predict([(QUERY, text) for text in DOCUMENTS])
    with Reranker(tmp_path, engine="reference") as reranker:
        plain = reranker.predict([(QUERY, text) for text in DOCUMENTS])
    if kind in DRAWN:  # blocks of random bits: they have to matter
        assert np.abs(found - plain).min() > 3 * BOUNDS[kind]
    else:
        assert np.ptp(found) > 0.05
    assert found == pytest.approx(theirs(path, DOCUMENTS), abs=BOUNDS[kind])
