"""config.json, generation_config.json and tokenizer_config.json as Transformers.js v4 reads them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yesrank.checkpoint import Checkpoint
from yesrank.convert.folder import one_label, true_config
from yesrank.convert.onnx.variants import Variant
from yesrank.qwen3 import read_config

_DEFAULTS = ("int8", "q4", "q8", "fp32", "fp16", "q4f16")  # the first that is there is what is loaded unasked
_GPU_DEFAULTS = ("q4", "fp32", "q4f16", "fp16")  # integer products have no WebGPU kernels
_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


def write_config(
    checkpoint: Checkpoint, folder: Path, variants: Sequence[Variant], data_files: Mapping[str, int]
) -> None:
    """Writes folder/config.json: the source's, and what Transformers.js must know.

    data_files: number of external data files by the name of the .onnx file, for those that have some.
    """
    config, numbers = true_config(checkpoint), checkpoint.config
    config["head_dim"] = numbers.head_dim  # it sizes an empty KV cache with these two
    config["num_key_value_heads"] = numbers.num_key_value_heads
    config["transformers.js_config"] = _transformers_js(variants, data_files)
    _write(folder / "config.json", config)


def write_classifier(checkpoint: Checkpoint, folder: Path) -> None:
    """Makes folder/config.json that of a classifier with one label, as programs that run such files ask for it."""
    config = json.loads((folder / "config.json").read_bytes())
    _write(folder / "config.json", config | one_label(checkpoint))


def write_companions(source: Path, folder: Path) -> None:
    """Writes the small files that Transformers.js asks for and that the source lacks."""
    config = read_config(source)
    if not (folder / "generation_config.json").exists():
        special = {name: config[name] for name in _SPECIAL if config.get(name) is not None}
        _write(folder / "generation_config.json", {"_from_model_config": True, **special})
    if not (folder / "tokenizer_config.json").exists():
        _write(
            folder / "tokenizer_config.json",
            {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left"},
        )


def _transformers_js(variants: Sequence[Variant], data_files: Mapping[str, int]) -> dict[str, Any]:
    names = [variant.name for variant in variants]
    result: dict[str, Any] = {"dtype": next(name for name in _DEFAULTS if name in names)}
    on_gpu = next((name for name in _GPU_DEFAULTS if name in names), None)
    if on_gpu is not None and on_gpu != result["dtype"]:
        result["device_config"] = {"webgpu": {"dtype": on_gpu}}
    half = {variant.name: "float16" for variant in variants if variant.half}
    if half:
        result["kv_cache_dtype"] = half
    if data_files:
        result["use_external_data_format"] = dict(data_files)
    return result


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
