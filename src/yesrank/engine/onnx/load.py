"""A folder and a variant -> an engine."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from yesrank.engine.base import Engine
from yesrank.engine.onnx.engine import OnnxEngine
from yesrank.engine.onnx.files import variant_file
from yesrank.engine.onnx.graph import decoder
from yesrank.engine.onnx.kinds import kind_name, kind_of, note_of
from yesrank.engine.onnx.providers import open_session
from yesrank.engine.onnx.skim import skim
from yesrank.engine.onnx.weights import what_stays
from yesrank.errors import UnsupportedModel
from yesrank.qwen3 import Qwen3Config
from yesrank.types import EngineInfo, Prompt

_UNCACHED = "the graph keeps no keys and values: the query is computed for every document"
_ALONE = "the graph takes one token after a past: the query is computed for every document"


def open_engine(folder: Path, *, device: str = "CPU", variant: str | None = None) -> Engine:
    """Loads one variant (None: the default, see files.SUFFIXES) for a device: CPU, or an execution provider's name.

    Ours and those published by others, with logits of the whole vocabulary or with `hidden`. Raises ModelError,
    UnsupportedModel, InputError or EngineError.
    """
    file = variant_file(folder, variant)
    config = Qwen3Config.from_folder(folder)
    device = device.upper()
    shape = (config.num_key_value_heads, config.head_dim)
    graph = decoder(skim(file.path), shape)
    stated = tuple(
        own or named for own, named in zip(graph.cache_shape, shape, strict=True)
    )  # some are symbols
    if graph.cache and (len(graph.cache), stated) != (2 * config.num_hidden_layers, shape):
        raise UnsupportedModel(
            f"{file.path} is of another model than config.json: {len(graph.cache) // 2} layers of "
            f"{graph.cache_shape[0]} KV heads of {graph.cache_shape[1]}",
            "copy the whole folder again",
        )
    # OpenVINO and onnxruntime's int8 kernels both set up the AMX tiles of the thread that calls them, and onnxruntime
    # trusts that they are still as it left them: on one thread, the second of the two ends the process (SIGILL)
    worker = ThreadPoolExecutor(1, thread_name_prefix="yesrank-onnx")
    session = worker.submit(
        open_session, graph.model, graph.base, device, what_stays(graph.model, graph.base)
    ).result()
    kind = kind_of(graph.model)
    notes = (note_of(kind, file.variant), "" if graph.cache else _UNCACHED)
    info = EngineInfo(
        engine="onnx",
        device=device,
        precision=kind_name(kind, file.variant),
        hidden_size=config.hidden_size,
        layers=config.num_hidden_layers,
        weights_bytes=graph.weights_bytes,
        note="; ".join(note for note in notes if note),
        variant=file.variant,
        labels=graph.labels,
    )
    graph = replace(graph, cache_shape=shape)
    engine = OnnxEngine(session, worker, graph, info, config.num_attention_heads, config.positions)
    engine.encode([Prompt.of((0,))])  # a variant that this device cannot run fails here
    if graph.cache and not engine.takes_a_past():
        engine.info = replace(info, note="; ".join(note for note in (info.note, _ALONE) if note))
    return engine
