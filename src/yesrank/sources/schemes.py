"""The ways in which programs store quantised matrices, those that are read here, and the refusal of all others.

Sources: the code of mlx 0.32, compressed-tensors 0.20, transformers 5.24 (fine-grained fp8), AutoGPTQ's and AutoAWQ's
formats as mlx-lm 0.32 reads them. tests/parity/test_packed.py has these programs write and read them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from yesrank.errors import UnsupportedModel
from yesrank.sources.base import FLOATS, Tensor
from yesrank.sources.files import SafetensorsFiles
from yesrank.sources.packed import Scheme, unpacked
from yesrank.types import FloatArray

_ORIGINAL = "take the original, such as Qwen/Qwen3-Reranker-0.6B, which --weights int8 or int4 makes as small"

QUANTISATION = ("quantization_config", "quantization")
"""The keys of config.json that say it; the second is MLX's."""


def scheme_of(config: Mapping[str, Any]) -> tuple[Scheme, str] | None:
    """How a config.json says that matrices are quantised, and a name; None where not. Raises UnsupportedModel."""
    stated = next((config[key] for key in QUANTISATION if config.get(key)), None)
    if not stated:
        return None
    if not isinstance(stated, dict):
        raise _unknown(str(stated))
    method = stated.get("quant_method")
    if method is None and "group_size" in stated:
        return _mlx(stated), f"MLX, {stated.get('bits')} bits"
    if method == "fp8":
        return Fp8(_pair(stated.get("weight_block_size"))), "fp8"
    if method == "compressed-tensors":
        return _compressed(stated), f"compressed-tensors, {stated.get('format')}"
    if method == "gptq":
        return _gptq(stated), f"GPTQ, {stated.get('bits')} bits"
    if method == "awq":
        return _awq(stated), f"AWQ, {stated.get('bits')} bits"
    raise _unknown(str(method))


def note_of(name: str) -> str:
    """What a person should know of a checkpoint that is quantised already."""
    return f"its matrices are quantised already ({name}): their rounding stays in what is made of them"


@dataclass(frozen=True)
class Mlx:
    """weight uint32 [O, I x bits / 32], scales and biases [O, groups]: value x scale + bias. own: of single modules."""

    bits: int
    group: int
    own: Mapping[str, tuple[int, int]]
    suffixes: Collection[str] = (".weight", ".scales", ".biases")

    def holds(self, files: SafetensorsFiles, module: str) -> bool:
        """See Scheme.holds."""
        return f"{module}.scales" in files.names()

    def shape(self, files: SafetensorsFiles, module: str) -> tuple[int, int]:
        """See Scheme.shape."""
        rows, words = files.shape(f"{module}.weight")
        return rows, words * 32 // self._of(module)[0]

    def rows(self, files: SafetensorsFiles, module: str, start: int, stop: int) -> FloatArray:
        """See Scheme.rows."""
        bits, group = self._of(module)
        values = unpacked(files.rows(f"{module}.weight", start, stop), bits)
        scale, bias = (files.rows(f"{module}.{part}", start, stop) for part in ("scales", "biases"))
        grouped = values.reshape(len(values), -1, group).astype(np.float32)
        return (grouped * _wide(scale)[..., None] + _wide(bias)[..., None]).reshape(len(values), -1)

    def _of(self, module: str) -> tuple[int, int]:
        return self.own.get(module, (self.bits, self.group))


@dataclass(frozen=True)
class Fp8:
    """weight float8_e4m3fn [O, I] times weight_scale_inv, of blocks [O / b, I / c] or of the whole.

    block: (b, c), None for the whole. scale: the name that the scale has.
    """

    block: tuple[int, int] | None
    scale: str = "weight_scale_inv"
    suffixes: Collection[str] = (
        ".weight",
        ".weight_scale_inv",
        ".weight_scale",
        ".input_scale",
        ".activation_scale",
    )

    def holds(self, files: SafetensorsFiles, module: str) -> bool:
        """See Scheme.holds."""
        return f"{module}.weight" in files.names() and files.dtype(f"{module}.weight") == "F8_E4M3"

    def shape(self, files: SafetensorsFiles, module: str) -> tuple[int, int]:
        """See Scheme.shape."""
        rows, width = files.shape(f"{module}.weight")
        return rows, width

    def rows(self, files: SafetensorsFiles, module: str, start: int, stop: int) -> FloatArray:
        """See Scheme.rows."""
        values = _wide(files.float8(f"{module}.weight")[start:stop])
        name = f"{module}.{self.scale}"
        if name not in files.names():
            name = f"{module}.weight_scale"
        if files.dtype(name) not in FLOATS:
            raise ValueError(f"its scales are of the type {files.dtype(name)}")
        scale = _wide(files.tensor(name))
        if self.block is None:
            return values * (scale[start:stop].reshape(-1, 1) if scale.size > 1 else scale.reshape(1, 1))
        high, wide = self.block
        return values * np.repeat(scale[np.arange(start, stop) // high], wide, axis=1)[:, : values.shape[1]]


@dataclass(frozen=True)
class Compressed:
    """compressed-tensors' integers: weight_packed int32 [O, I x bits / 32], or weight int8 [O, I].

    weight_scale [O, groups], or of the whole; weight_zero_point likewise, packed along its rows; weight_g_idx [I]:
    which group a column belongs to, where they are not in order.
    """

    bits: int
    group: int | None
    suffixes: Collection[str] = (
        ".weight",
        ".weight_packed",
        ".weight_scale",
        ".weight_zero_point",
        ".weight_shape",
        ".weight_g_idx",
        ".input_scale",
        ".input_zero_point",
    )

    def holds(self, files: SafetensorsFiles, module: str) -> bool:
        """See Scheme.holds."""
        return f"{module}.weight_scale" in files.names()

    def shape(self, files: SafetensorsFiles, module: str) -> tuple[int, int]:
        """See Scheme.shape."""
        if f"{module}.weight_shape" in files.names():
            rows, width = (int(size) for size in files.tensor(f"{module}.weight_shape"))
        else:
            rows, width = files.shape(f"{module}.weight")
        return rows, width

    def rows(self, files: SafetensorsFiles, module: str, start: int, stop: int) -> FloatArray:
        """See Scheme.rows."""
        rows, width = self.shape(files, module)
        packed = f"{module}.weight_packed" in files.names()
        half = 1 << (self.bits - 1)
        if packed:
            words = files.rows(f"{module}.weight_packed", start, stop)
            values = _wide(_words(words, self.bits)[:, :width]) - half
        else:
            values = _wide(files.rows(f"{module}.weight", start, stop))
        scale = self._spread(files, module, _wide(files.tensor(f"{module}.weight_scale")), start, stop, width)
        name = f"{module}.weight_zero_point"
        if name in files.names():
            stored = files.tensor(name)
            zero = _wide(_words(stored.T, self.bits)[:, :rows].T) - half if packed else _wide(stored)
            values = values - self._spread(files, module, zero, start, stop, width)
        return values * scale

    def _spread(
        self, files: SafetensorsFiles, module: str, stored: FloatArray, start: int, stop: int, width: int
    ) -> FloatArray:
        """[stop - start, width or 1] of what is stored for groups, rows, or the whole."""
        if stored.size == 1:
            return stored.reshape(1, 1)
        part = stored[start:stop]
        if part.ndim == 1 or part.shape[1] == 1:
            return part.reshape(-1, 1)
        name = f"{module}.weight_g_idx"
        if name in files.names() and (order := files.tensor(name)).min() >= 0:
            return part[:, order]
        return np.repeat(part, self.group or width // part.shape[1], axis=1)[:, :width]


@dataclass(frozen=True)
class Gptq:
    """qweight int32 [I x bits / 32, O], qzeros int32 [groups, O x bits / 32], scales [groups, O], g_idx [I]."""

    bits: int
    group: int
    off_by_one: bool
    """Whether stored zero points are one less than they mean, as in the first version of the format."""
    suffixes: Collection[str] = (".qweight", ".qzeros", ".scales", ".g_idx")

    def holds(self, files: SafetensorsFiles, module: str) -> bool:
        """See Scheme.holds."""
        return f"{module}.qweight" in files.names()

    def shape(self, files: SafetensorsFiles, module: str) -> tuple[int, int]:
        """See Scheme.shape."""
        words, rows = files.shape(f"{module}.qweight")
        return rows, words * 32 // self.bits

    def rows(self, files: SafetensorsFiles, module: str, start: int, stop: int) -> FloatArray:
        """See Scheme.rows."""
        values = _wide(_words(files.part(f"{module}.qweight")[:, start:stop].T, self.bits))
        zero = _wide(_words(files.tensor(f"{module}.qzeros"), self.bits))[:, start:stop].T + self.off_by_one
        scale = _wide(files.part(f"{module}.scales")[:, start:stop]).T
        if f"{module}.g_idx" in files.names():
            order = files.tensor(f"{module}.g_idx")
        else:
            order = np.arange(values.shape[1]) // (self.group if self.group > 0 else values.shape[1])
        return (values - zero[:, order]) * scale[:, order]


_AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)  # where the rows lie among the eight nibbles of a word


@dataclass(frozen=True)
class Awq:
    """qweight int32 [I, O / 8], qzeros int32 [groups, O / 8], scales [groups, O]; eight rows share a word."""

    group: int
    suffixes: Collection[str] = (".qweight", ".qzeros", ".scales")

    def holds(self, files: SafetensorsFiles, module: str) -> bool:
        """See Scheme.holds."""
        return f"{module}.qweight" in files.names()

    def shape(self, files: SafetensorsFiles, module: str) -> tuple[int, int]:
        """See Scheme.shape."""
        width, words = files.shape(f"{module}.qweight")
        return words * 8, width

    def rows(self, files: SafetensorsFiles, module: str, start: int, stop: int) -> FloatArray:
        """See Scheme.rows."""
        first, last = start // 8, -(-stop // 8)

        def read(name: str) -> FloatArray:
            words = np.ascontiguousarray(files.part(f"{module}.{name}")[:, first:last])
            eight = _wide(_words(words, 4)).reshape(len(words), -1, 8)[..., _AWQ_ORDER]
            return eight.reshape(len(words), -1)[:, start - first * 8 : stop - first * 8].T

        values, zero = read("qweight"), read("qzeros")
        scale = _wide(files.part(f"{module}.scales")[:, start:stop]).T
        size = self.group if self.group > 0 else values.shape[1]
        return (values - np.repeat(zero, size, axis=1)) * np.repeat(scale, size, axis=1)


def _words(words: Tensor, bits: int) -> Tensor:
    return unpacked(np.ascontiguousarray(words), bits)


def _wide(array: Tensor) -> FloatArray:
    return array.astype(np.float32)


def _pair(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))


def _mlx(stated: Mapping[str, Any]) -> Scheme:
    if (mode := stated.get("mode", "affine")) != "affine":
        raise _unknown(f"MLX, {mode}")
    own = {
        name: (int(value.get("bits", stated["bits"])), int(value.get("group_size", stated["group_size"])))
        for name, value in stated.items()
        if isinstance(value, dict)
    }
    return Mlx(int(stated["bits"]), int(stated["group_size"]), own)


def _compressed(stated: Mapping[str, Any]) -> Scheme:
    groups = [group for group in (stated.get("config_groups") or {}).values() if isinstance(group, dict)]
    weights = [group.get("weights") or {} for group in groups]
    kept = [
        {key: each.get(key) for key in ("num_bits", "type", "group_size", "block_structure")}
        for each in weights
    ]
    form = str(stated.get("format"))
    if not kept or any(each != kept[0] for each in kept) or stated.get("sparsity_config"):
        raise _unknown(f"compressed-tensors, {form}, of several kinds")
    bits, kind, group = int(kept[0]["num_bits"] or 0), kept[0]["type"], kept[0]["group_size"]
    if kind == "float" and bits == 8 and form in ("float-quantized", "naive-quantized"):
        return Fp8(_pair(kept[0]["block_structure"]), "weight_scale")
    packs = form == "pack-quantized" and bits in (
        2,
        4,
        8,
    )  # other widths are packed otherwise in other versions
    if kind == "int" and (packs or (form in ("int-quantized", "naive-quantized") and bits == 8)):
        return Compressed(bits, int(group) if group not in (None, -1) else None)
    raise _unknown(f"compressed-tensors, {form}, {bits} bits, {kind}")


def _gptq(stated: Mapping[str, Any]) -> Scheme:
    bits, form = stated.get("bits"), stated.get("checkpoint_format", "gptq")
    if (
        bits not in (2, 4, 8)
        or form not in ("gptq", "gptq_v2")
        or stated.get("pack_dtype", "int32") != "int32"
    ):
        raise _unknown(f"GPTQ, {bits} bits, {form}")
    return Gptq(int(bits), int(stated.get("group_size", -1)), off_by_one=form == "gptq")


def _awq(stated: Mapping[str, Any]) -> Scheme:
    version = str(stated.get("version", "gemm")).lower()
    if stated.get("bits") != 4 or version != "gemm" or stated.get("zero_point", True) is not True:
        raise _unknown(f"AWQ, {stated.get('bits')} bits, {version}")
    return Awq(int(stated.get("group_size", 128)))


def _unknown(name: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"the checkpoint's weights are quantised already ({name}), in a way that yesrank does not read",
        _ORIGINAL,
    )
