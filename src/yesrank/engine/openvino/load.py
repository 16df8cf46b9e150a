"""A folder with a Qwen3 IR -> an engine. Ours, optimum-intel's, with and without a cache: one loader for all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import openvino as ov

from yesrank.engine.base import Engine, check_prompts
from yesrank.engine.bounds import KERNELS, STATEFUL_KERNELS
from yesrank.engine.cpus import quota, threads
from yesrank.engine.openvino import cacheless, passes, weights
from yesrank.engine.openvino.devices import VIRTUAL, real_device
from yesrank.engine.openvino.files import check_ir
from yesrank.engine.openvino.heads import Head
from yesrank.engine.openvino.int8 import has_int8_matrices, use_int8
from yesrank.engine.openvino.kernels import few_primitives
from yesrank.engine.openvino.mapping import pages_released
from yesrank.engine.openvino.paged import PagedEngine
from yesrank.engine.openvino.shared_cache import share_cache
from yesrank.engine.openvino.stateful import StatefulEngine, stateful_inputs
from yesrank.engine.openvino.stateless import StatelessEngine
from yesrank.errors import EngineError, InputError, ModelError, UnsupportedModel
from yesrank.qwen3 import Qwen3Config
from yesrank.types import EngineInfo, FloatArray, Prompt

PRECISIONS = ("auto", "f32", "bf16", "int8", "w8a8")
_EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}  # activations are never quantised behind the user's back
_INPUTS = {"input_ids", "attention_mask", "position_ids", "beam_idx"}
_NAMES: dict[type[Engine], str] = {
    PagedEngine: "openvino-paged",
    StatefulEngine: "openvino-stateful",
    StatelessEngine: "openvino-stateless",
}


def open_engine(
    folder: Path, *, device: str = "CPU", precision: str = "auto", paged: bool | None = None
) -> Engine:
    """Loads folder/openvino_model.xml for a device.

    precision: f32 (float32 arithmetic), bf16 (bf16 arithmetic; compressed weights are unpacked at load: more memory,
    faster), int8 (weights stay compressed, bf16 arithmetic), w8a8 (int8 weights, and activations rounded to int8: the
    fastest, and further from float32), or auto: int8 for a folder with compressed weights, bf16 otherwise, f32 where
    the CPU has no bf16; never w8a8. paged: True insists on paged attention, False avoids it, None takes
    it where it works. Raises ModelError, UnsupportedModel, InputError or EngineError.
    """
    core = ov.Core()
    device = real_device(core, device)
    xml, data = check_ir(folder)
    config = Qwen3Config.from_folder(folder)
    model = _read(core, xml)
    compressed, cached = _is_compressed(model), cacheless.has_cache(model)
    stored = weights.stored_as(_matrices(model))
    has_bf16 = _has_bf16(core, device)
    chosen = _choose(precision, compressed=compressed, has_bf16=has_bf16)
    model, rows, paged = _prepared(core, xml, model, device, paged)
    if chosen == "bf16" and device == "CPU":
        passes.use_bf16_matrices(model)
    passes.own_what_stays(model)
    arithmetic = "bf16" if has_bf16 and chosen != "f32" else "f32"
    kind = PagedEngine if paged else StatefulEngine if cached else StatelessEngine
    kernels = KERNELS if paged else STATEFUL_KERNELS
    compiled = _compile(core, model, device, arithmetic, kernels, int8=chosen == "w8a8")
    info = EngineInfo(
        engine=_NAMES[kind],
        device=device,
        precision=chosen,
        hidden_size=config.hidden_size,
        layers=config.num_hidden_layers,
        weights_bytes=data.stat().st_size,
        note=_note(chosen, compressed=compressed, paged=paged),
        weights=stored,
        labels=rows.labels,
    )
    engine = kind(compiled, info, rows, config.positions)
    with pages_released(data), few_primitives():  # the first call repacks the weights, so it is made here
        engine.encode([Prompt.of((0,))])
    return engine


def precisions(folder: Path, *, device: str = "CPU") -> tuple[str, ...]:
    """Those of PRECISIONS that open_engine would take for a folder on a device, auto left out. Loads no weights."""
    core = ov.Core()
    device = real_device(core, device)
    xml, _ = check_ir(folder)
    model = _read(core, xml)
    compressed, has_bf16 = _is_compressed(model), _has_bf16(core, device)
    refused = {"auto"} if has_int8_matrices(model) else {"auto", "w8a8"}
    return tuple(
        each
        for each in PRECISIONS
        if each not in refused and _can_be_had(each, compressed=compressed, has_bf16=has_bf16)
    )


def layer_states(
    folder: Path, prompts: Sequence[Prompt], *, device: str = "CPU", precision: str = "auto"
) -> FloatArray:
    """The last token's residual stream after the embedding and each layer: float32 [N, layers + 1, D].

    For finding the layer at which a conversion goes wrong; one prompt at a time, without paging.
    """
    core = ov.Core()
    device = real_device(core, device)
    xml, _ = check_ir(folder)
    config = Qwen3Config.from_folder(folder)
    check_prompts(prompts, config.positions)
    model = _read(core, xml)
    compressed = _is_compressed(model)
    has_bf16 = _has_bf16(core, device)
    chosen = _choose(precision, compressed=compressed, has_bf16=has_bf16)
    passes.layer_outputs(model)
    arithmetic = "bf16" if has_bf16 and chosen != "f32" else "f32"
    compiled = _compile(core, model, device, arithmetic, STATEFUL_KERNELS, int8=chosen == "w8a8")
    request = compiled.create_infer_request()
    taken = {port.any_name for port in compiled.inputs}
    states = []
    for prompt in prompts:
        request.reset_state()
        inputs = stateful_inputs([prompt.part(0, len(prompt))], past=0)
        request.infer({name: inputs[name] for name in taken})
        names = (f"layer_{index}" for index in range(config.num_hidden_layers + 1))
        states.append(np.stack([request.get_tensor(name).data[0, -1].astype(np.float32) for name in names]))
    return np.stack(states)


def _prepared(
    core: ov.Core, xml: Path, model: ov.Model, device: str, paged: bool | None
) -> tuple[ov.Model, Head, bool]:
    """The model ready to be compiled, its head, and whether it pages. paged: None where it works."""
    if paged is None and device == "CPU":
        try:
            return model, _prepare(model, paged=True), True
        except EngineError:
            model = _read(core, xml)  # anew: a part of it may have been rewritten
    return model, _prepare(model, paged=bool(paged)), bool(paged)


def _prepare(model: ov.Model, *, paged: bool) -> Head:
    if passes.is_headless(model):
        passes.take_hidden(model)
        rows = Head(None)
    else:
        rows = Head(passes.cut_head(model))
    if paged:
        _page(model)
        passes.keep_last_rows(model)
        share_cache(model)
    else:
        passes.gather_last_rows(model)
    return rows


def _page(model: ov.Model) -> None:
    if not cacheless.has_cache(model):
        cacheless.give_cache(model)
    passes.to_paged(model)


def _read(core: ov.Core, xml: Path) -> ov.Model:
    try:
        model = core.read_model(xml)
    except RuntimeError as error:
        raise ModelError(f"{xml} cannot be read: {error}", "convert or download the model again") from error
    names = {name for port in model.inputs for name in port.get_names()}
    if names >= _INPUTS or (cacheless.INPUTS <= names <= _INPUTS and not cacheless.has_cache(model)):
        return model
    if any(name.startswith("past_key_values") for name in names):
        raise UnsupportedModel(
            f"{xml} takes its cache as inputs (past_key_values), as exports with stateful=False do",
            "export it again without stateful=False, or without a cache (use_cache=False)",
        )
    raise UnsupportedModel(
        f"{xml} has the inputs {', '.join(sorted(names))}; a decoder has some of {', '.join(sorted(_INPUTS))}",
        "export it as text-generation-with-past or feature-extraction, or convert the checkpoint with: "
        "yesrank convert SRC DST",
    )


def _compile(
    core: ov.Core, model: ov.Model, device: str, arithmetic: str, kernels: int, *, int8: bool = False
) -> ov.CompiledModel:
    try:
        with few_primitives():
            rounding = use_int8(core, model, device, arithmetic) if int8 else _EXACT
            if device.partition(":")[0] not in VIRTUAL:
                return core.compile_model(
                    model, device, _options(core, device, arithmetic, kernels, rounding)
                )
            for each in core.available_devices:  # not all that stand for others hand options on
                core.set_property(each, _options(core, each, arithmetic, kernels, rounding))
            return core.compile_model(model, device)
    except RuntimeError as error:
        raise EngineError(f"device {device} cannot run this model: {error}", "try --device CPU") from error


def _options(
    core: ov.Core, device: str, arithmetic: str, kernels: int, rounding: Mapping[str, object]
) -> dict[str, object]:
    """What one real device is asked for. rounding: options of how it rounds activations, where it knows them."""
    known = core.get_property(device, "SUPPORTED_PROPERTIES")
    options = {name: value for name, value in rounding.items() if name in known}
    if device == "CPU":
        options["KV_CACHE_PRECISION"] = arithmetic
        options["CPU_RUNTIME_CACHE_CAPACITY"] = kernels
        if quota() is not None:  # it knows of affinity, not of quotas; else it chooses best by itself
            options["INFERENCE_NUM_THREADS"] = threads()
    elif "KV_CACHE_PRECISION" in known:
        # left to itself a GPU without matrix units rounds keys and values to int8
        options["KV_CACHE_PRECISION"] = "f32" if arithmetic == "f32" else "f16"
    if device == "CPU" or arithmetic == "f32":
        options["INFERENCE_PRECISION_HINT"] = arithmetic
    return options


def _has_bf16(core: ov.Core, device: str) -> bool:
    return device != "CPU" or "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _matrices(model: ov.Model) -> list[ov.Output]:
    """The weights of all products."""
    matrices = (node.input_value(1) for node in model.get_ordered_ops() if node.get_type_name() == "MatMul")
    return [matrix for matrix in matrices if weights.is_weight(matrix)]


def _is_compressed(model: ov.Model) -> bool:
    return any(weights.is_compressed(matrix) for matrix in _matrices(model))


def check_graph(folder: Path) -> None:
    """Raises what open_engine would raise for a model that this engine cannot run. Loads no weights."""
    model = _read(ov.Core(), check_ir(folder)[0])
    if not passes.is_headless(model):
        passes.cut_head(model)


def _choose(precision: str, *, compressed: bool, has_bf16: bool) -> str:
    if precision not in PRECISIONS:
        raise InputError("precision", f"{precision!r} is not known", f"use one of: {', '.join(PRECISIONS)}")
    if precision == "auto":
        return ("int8" if compressed else "bf16") if has_bf16 else "f32"
    if precision in ("int8", "w8a8") and not compressed:
        raise InputError(
            "precision",
            f"this folder holds float weights, so it cannot run as {precision}",
            "convert the checkpoint with: yesrank convert SRC DST --weights int8",
        )
    if precision in ("bf16", "int8") and not has_bf16:  # w8a8 does without it
        raise InputError(
            "precision", f"this CPU has no bf16 arithmetic, which {precision} needs", "use f32"
        )  # w8a8 can do without
    return precision


def _can_be_had(precision: str, *, compressed: bool, has_bf16: bool) -> bool:
    try:
        _choose(precision, compressed=compressed, has_bf16=has_bf16)
    except InputError:
        return False
    return True


def _note(precision: str, *, compressed: bool, paged: bool) -> str:
    notes = []
    if precision == "bf16" and compressed:
        notes.append("compressed weights were unpacked to bf16: faster, and two to four times the memory")
    if precision == "w8a8":
        notes.append("activations are rounded to int8: faster, and further from float32")
    if not paged:
        notes.append("without paged attention: slower")
    return "; ".join(notes)
