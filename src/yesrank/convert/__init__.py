"""Published safetensors checkpoint -> OpenVINO model folder, without PyTorch."""

from yesrank.convert.run import ConvertProgress, convert
from yesrank.convert.weights import KINDS

__all__ = ["KINDS", "ConvertProgress", "convert"]
