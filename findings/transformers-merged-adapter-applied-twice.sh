#!/usr/bin/env bash
# A LoRA adapter that was merged and saved into its own folder is applied once more by from_pretrained.
#
# Expected: merge_and_unload() gives a plain model; save_pretrained() of that writes a whole checkpoint, and from_pretrained() of the folder gives
# the model that was saved.
# What happens: where the folder already holds the adapter (adapter_config.json, adapter_model.safetensors: a training run's output folder),
# both stay beside the merged weights. from_pretrained() reads the merged weights, finds the adapter and applies it to them: the
# change is there twice. No error, no warning; a folder without the two files gives the saved model.
# Where it bites: a fine-tuned reranker merged "in place" ranks otherwise than it was measured to, and so does every conversion of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "torch==2.13.0"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "transformers==5.24.0" "peft==0.21.2"
HOME="$folder" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import warnings
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

warnings.simplefilter("always")
base, run, clean = (Path(sys.argv[1]) / name for name in ("base", "run", "clean"))
torch.manual_seed(0)
config = Qwen3Config(
    hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16, vocab_size=128
)
Qwen3ForCausalLM(config).save_pretrained(base)
ids = torch.arange(1, 20)[None]


def answer(model):
    with torch.no_grad():
        return model.eval()(ids).logits[0, -1]


plain = answer(AutoModelForCausalLM.from_pretrained(base))
adapted = get_peft_model(
    AutoModelForCausalLM.from_pretrained(base),
    LoraConfig(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False),
)
adapted.save_pretrained(run)
merged = adapted.merge_and_unload()
merged.save_pretrained(run)
merged.save_pretrained(clean)
saved, again, apart = answer(merged), answer(AutoModelForCausalLM.from_pretrained(run)), answer(AutoModelForCausalLM.from_pretrained(clean))
print("transformers", transformers.__version__, "peft", peft.__version__, "files", sorted(path.name for path in run.iterdir()))
twice = answer(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(clean), run))
far = lambda one, other: float((one - other).abs().max())
print(f"largest difference of a logit: base to merged {far(plain, saved):.3f}; merged to a clean folder read again {far(saved, apart):.1e}")
print(f"merged to its own folder read again: {far(saved, again):.3f} from what was saved, {far(again, twice):.1e} from the adapter applied twice")
sys.exit(not (far(saved, again) > 0.01 and far(again, twice) < 1e-5 and far(saved, apart) < 1e-5))
PYTHON
