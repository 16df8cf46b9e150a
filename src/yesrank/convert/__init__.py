"""Published checkpoint -> OpenVINO or ONNX model folder, or a plain checkpoint for others, without PyTorch."""

from yesrank.convert.checkpoint import convert_checkpoint
from yesrank.convert.folder import ConvertProgress
from yesrank.convert.onnx import DEFAULT_VARIANTS, HEADS, VARIANTS, convert_onnx
from yesrank.convert.run import convert
from yesrank.convert.weights import KINDS

__all__ = [
    "DEFAULT_VARIANTS",
    "HEADS",
    "KINDS",
    "VARIANTS",
    "ConvertProgress",
    "convert",
    "convert_checkpoint",
    "convert_onnx",
]
