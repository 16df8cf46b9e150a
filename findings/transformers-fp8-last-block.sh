#!/usr/bin/env bash
# fp8 in blocks (quantization_config: quant_method fp8, weight_block_size [128, 128]): one scale for every block of 128 x 128
# weights. One would expect that a matrix whose sizes are no multiples of 128 has a smaller last block, as the
# quantising programs (compressed-tensors, DeepSeek's kernels) have it, or an error. transformers, asked to dequantise,
# divides the matrix into as many equal blocks as there are scales: of 192 rows and two scales the first 96 rows take the
# first. 32 rows then have another block's scale. Nothing is said, and the model answers, wrongly. It bites wherever an
# fp8 checkpoint is read on a CPU or an older GPU (dequantize=True) and a size, such as that of key and value
# projections, is no multiple of 128: compare the numbers with those that scale and block size mean.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip="$work/venv/bin/python -m pip install --quiet --disable-pip-version-check"
$pip torch==2.13.0
$pip transformers==5.24.0 "numpy>=2.1" accelerate
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PYTHON'
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, FineGrainedFP8Config, Qwen3Config, Qwen3ForCausalLM

config = Qwen3Config(vocab_size=256, hidden_size=128, intermediate_size=192, num_hidden_layers=1, num_attention_heads=2,
                     num_key_value_heads=1, head_dim=64, tie_word_embeddings=False)
Qwen3ForCausalLM(config).save_pretrained("model")
tensors = load_file("model/model.safetensors")
name = "model.layers.0.mlp.up_proj.weight"  # [192, 128]: blocks of 128 and of 64 rows
for key in [key for key in tensors if ".layers." in key and tensors[key].ndim == 2]:
    rows, width = tensors[key].shape
    scales = torch.ones(-(-rows // 128), -(-width // 128))
    if key == name:
        tensors[key] = torch.ones(rows, width)
        scales[1] = 2.0
    tensors[key] = tensors[key].to(torch.float8_e4m3fn)
    tensors[key.replace(".weight", ".weight_scale_inv")] = scales
save_file(tensors, "model/model.safetensors", {"format": "pt"})
path = Path("model/config.json")
stated = {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]}
path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": stated}))
model = AutoModelForCausalLM.from_pretrained("model", quantization_config=FineGrainedFP8Config(dequantize=True))
column = model.get_parameter(name)[:, 0].float()
first = int((column == 1).sum())
print(f"transformers {transformers.__version__}: of 192 rows {first} have the first block's scale (expected: 128)")
sys.exit(first != 96)
PYTHON
