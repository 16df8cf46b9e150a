"""Checkpoints that other programs have quantised, and adapters: our logits are those programs' own.

MLX on its CPU build, compressed-tensors, transformers' fp8 and peft write and read the files here. Needs transformers
5.24, as test_published.py does.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.models import Shape, build, last_logits, load
from yesrank import head
from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import ReferenceEngine
from yesrank.types import Prompt

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", minversion="5.24")

IDS = tuple((number * 37 + 11) % 1024 for number in range(60))
YES, NO = 11, 5


# the inner size is no multiple of 128, so that the last block is a part of one
SHAPE, WHOLE = Shape(hidden=128, inner=192, tied=False), Shape(hidden=128, inner=256, tied=False)


@pytest.fixture(params=[SHAPE], ids=str)
def folder(tmp_path: Path, small_tokenizer: str, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / "model"
    build(request.param, "bfloat16").save_pretrained(folder)
    (folder / "tokenizer.json").write_text(small_tokenizer, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


def ours(folder: Path, **options: Path) -> float:
    engine = ReferenceEngine(Checkpoint(folder, **options))
    return float(head.logits(engine.encode([Prompt.of(IDS)]), engine.output_rows([YES, NO]))[0])


def difference(row: np.ndarray) -> float:
    return float(row[YES] - row[NO])


@pytest.mark.parametrize(
    "options",
    [
        {"quantize": True, "q_bits": bits, "q_group_size": group}
        for bits, group in ((4, 64), (8, 32), (3, 64), (6, 32), (2, 64))
    ]
    + [{"quantize": False, "dtype": "bfloat16"}],
    ids=str,
)
def test_mlx(options: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    mlx = pytest.importorskip("mlx.core")
    from mlx_lm import convert
    from mlx_lm.utils import load_model

    convert(str(folder), str(tmp_path / "mlx"), **options)
    model, _ = load_model(tmp_path / "mlx")
    model.set_dtype(mlx.float32)
    logits = np.array(model(mlx.array([IDS]))[0, -1].astype(mlx.float32))
    assert ours(tmp_path / "mlx") == pytest.approx(difference(logits), abs=0.01)


def test_mlx_with_other_bits_for_some(folder: Path, tmp_path: Path) -> None:
    mlx = pytest.importorskip("mlx.core")
    from mlx_lm import convert
    from mlx_lm.utils import load_model

    def predicate(path: str, module: Any) -> bool | dict[str, int]:
        return {"bits": 8, "group_size": 32} if "v_proj" in path else "gate" not in path

    convert(
        str(folder),
        str(tmp_path / "mlx"),
        quantize=True,
        q_bits=4,
        q_group_size=64,
        quant_predicate=predicate,
    )
    model, _ = load_model(tmp_path / "mlx")
    model.set_dtype(mlx.float32)
    logits = np.array(model(mlx.array([IDS]))[0, -1].astype(mlx.float32))
    assert ours(tmp_path / "mlx") == pytest.approx(difference(logits), abs=0.01)


@pytest.mark.parametrize(
    ("form", "weights"),
    [
        (
            "pack-quantized",
            {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": True},
        ),
        (
            "pack-quantized",
            {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": False},
        ),
        ("pack-quantized", {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": False}),
        ("int-quantized", {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True}),
        ("int-quantized", {"num_bits": 8, "type": "int", "strategy": "tensor", "symmetric": True}),
        ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}),
        ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "tensor", "symmetric": True}),
        (
            "float-quantized",
            {
                "num_bits": 8,
                "type": "float",
                "strategy": "block",
                "block_structure": [128, 128],
                "symmetric": True,
            },
        ),
    ],
    ids=str,
)
def test_compressed_tensors(form: str, weights: dict[str, Any], folder: Path) -> None:
    pytest.importorskip("compressed_tensors")
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    arguments = QuantizationArgs(**weights)
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    compressor = BaseCompressor.get_value_from_registry(form)
    plain: dict[str, Any] = {}

    def pack(module: str, weight: Any) -> dict[str, Any]:
        blocks = _blocks(weight.float(), weights)
        scale, zero = calculate_qparams(blocks.amin(-1), blocks.amax(-1), arguments)
        state = {"weight": weight.float(), "weight_scale": scale, "weight_zero_point": zero}
        packed = compressor.compress(state, scheme)
        plain[f"{module}.weight"] = compressor.decompress(packed, scheme)["weight"]
        return packed

    quantise(folder, pack, {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
                            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
                            "ignore": ["lm_head"]})  # fmt: skip
    assert ours(folder) == pytest.approx(of_plain(folder, plain), abs=2e-3)


@pytest.mark.parametrize(
    "folder", [WHOLE], ids=str, indirect=True
)  # transformers takes all blocks for equal ones
def test_fp8_in_blocks(folder: Path) -> None:
    """As transformers' fine-grained fp8 stores it, which also reads it here."""
    from transformers import AutoModelForCausalLM, FineGrainedFP8Config

    def pack(module: str, weight: Any) -> dict[str, Any]:
        rows, width = weight.shape
        padded = torch.zeros(-(-rows // 128) * 128, -(-width // 128) * 128)
        padded[:rows, :width] = weight.float()
        blocks = padded.unflatten(0, (-1, 128)).unflatten(2, (-1, 128))
        scale = blocks.abs().amax((1, 3)) / 448
        values = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
        values = values.reshape(padded.shape)[:rows, :width].contiguous()
        return {"weight": values, "weight_scale_inv": scale}

    quantise(folder, pack, {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
                            "modules_to_not_convert": ["lm_head"]})  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, quantization_config=FineGrainedFP8Config(dequantize=True)
    )
    [row] = last_logits(model.float(), [IDS])
    assert ours(folder) == pytest.approx(difference(row), abs=0.02)  # transformers dequantises to bfloat16


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # raised inside peft
@pytest.mark.parametrize(
    "options",
    [
        {"r": 4, "lora_alpha": 16},
        {"r": 4, "lora_alpha": 16, "use_rslora": True},
        {
            "r": 4,
            "lora_alpha": 8,
            "rank_pattern": {"q_proj": 2},
            "alpha_pattern": {"layers.1.mlp.down_proj": 32},
        },
        {"r": 4, "lora_alpha": 16, "modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
def test_an_adapter_of_peft(options: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(
        load(folder), peft.LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM", **options)
    )
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                weight.add_(torch.randn(weight.shape, generator=draw) * 0.05)
    model.save_pretrained(tmp_path / "adapter")
    [row] = last_logits(peft.PeftModel.from_pretrained(load(folder), tmp_path / "adapter").eval(), [IDS])
    assert abs(difference(row) - ours(folder)) > 0.05
    assert ours(folder, lora=tmp_path / "adapter") == pytest.approx(difference(row), abs=1e-3)


def quantise(folder: Path, pack: Callable[[str, Any], Mapping[str, Any]], stated: dict[str, Any]) -> None:
    """Replaces the layers' matrices by what `pack` makes of them, and says so in config.json."""
    from safetensors.torch import load_file, save_file

    tensors: dict[str, Any] = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if "layers" in name and tensor.ndim == 2:
            module = name.removesuffix(".weight")
            tensors |= {
                f"{module}.{part}": each for part, each in pack(module, tensor).items() if each is not None
            }
        else:
            tensors[name] = tensor
    shutil.copyfile(folder / "model.safetensors", folder / "plain")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stated}))


def of_plain(folder: Path, weights: Mapping[str, Any]) -> float:
    """The logit with the given matrices in the place of the original ones."""
    from safetensors.torch import load_file

    model = build(SHAPE, "float32")
    found = {name: tensor.float() for name, tensor in load_file(folder / "plain").items()}
    model.load_state_dict(found | {name: tensor.float() for name, tensor in weights.items()})
    [row] = last_logits(model, [IDS])
    return difference(row)


def _blocks(weight: Any, stated: Mapping[str, Any]) -> Any:
    """[..., weights that share a scale]."""
    if stated["strategy"] == "group":
        return weight.unflatten(1, (-1, stated["group_size"]))
    if stated["strategy"] == "block":
        rows, width = (-(-size // 128) * 128 for size in weight.shape)
        padded = torch.zeros(rows, width)
        padded[: weight.shape[0], : weight.shape[1]] = weight
        return padded.unflatten(0, (-1, 128)).unflatten(2, (-1, 128)).transpose(1, 2).flatten(2)
    return weight.reshape(1, -1) if stated["strategy"] == "tensor" else weight.unsqueeze(1)
