"""Qwen3 on OpenVINO: load any stateful IR, rewrite its graph, run it."""

from yesrank.engine.openvino.devices import check_device
from yesrank.engine.openvino.load import PRECISIONS, layer_states, open_engine

__all__ = ["PRECISIONS", "check_device", "layer_states", "open_engine"]
