"""The verification itself: both engines over the same prompts, and the report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yesrank.checkpoint import Checkpoint
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import InputError, ModelError
from yesrank.models.builtin import checkpoint_folder
from yesrank.models.engines import engine_for, open_engine
from yesrank.models.folder import Folder, ModelFolder, head_rows, open_model
from yesrank.qwen3 import Qwen3Config
from yesrank.tokens import PromptEncoder
from yesrank.types import EngineInfo, FloatArray, Prompt
from yesrank.verify.cases import GOLDEN, Case, build_cases, texts
from yesrank.verify.compare import (
    VARIANT_KINDS,
    WEIGHTS_ERROR,
    Comparison,
    Outputs,
    compare,
    relative_errors,
    tolerance_for,
)
from yesrank.verify.reading import Reading, read_again

if TYPE_CHECKING:
    from yesrank.engine.base import Engine

GOLDEN_TOLERANCE = 2e-3  # of the reference engine's logits; the published ones are good to 1e-4


@dataclass(frozen=True, slots=True)
class Golden:
    """The published values. applies: whether the source is the published model; note: why, or why not."""

    applies: bool
    note: str
    reference_error: float | None = None
    converted_error: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What verify found.

    layers: the mean relative error of the residual stream, embedding first; empty where not asked for. read_by: who
    read the source's config.json a second time.
    """

    folder: Path
    source: Path
    engine: EngineInfo
    weights: str
    arithmetic: str
    tolerance: float
    prompts: int
    tokens: int
    comparison: Comparison
    golden: Golden
    layers: tuple[float, ...]
    reference_seconds: float
    engine_seconds: float
    read_by: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is within its tolerance."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reference engine gave for a folder's source, with which every file of the folder can be compared."""

    model: ModelFolder
    checkpoint: Checkpoint
    cases: tuple[Case, ...]
    outputs: Outputs
    seconds: float
    reading: Reading

    @property
    def prompts(self) -> list[Prompt]:
        """Of the cases."""
        return [case.prompt for case in self.cases]


def verify(
    folder: Path,
    source: Path | None = None,
    *,
    device: str = "CPU",
    precision: str = "auto",
    engine: str | None = None,
    variant: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    layers: bool = False,
    prompts: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Runs the reference engine on `source` and the folder's own engine over the same prompts.

    source: the checkpoint; None takes the one that the folder's manifest names. engine, variant: as for Reranker.
    prompts: how many, None for the whole set. progress is told each step. Raises ModelError where folder or source
    cannot be used; a folder outside its tolerance is no exception here but a Report that has not passed.
    """
    expected = judge(folder, source, prompts=prompts, progress=progress, converted=engine != "vllm")
    return examine(
        expected,
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        engine_options=engine_options,
        layers=layers,
        progress=progress,
    )


def judge(
    folder: Path,
    source: Path | None = None,
    *,
    prompts: int | None = None,
    progress: Callable[[str], None] | None = None,
    converted: bool = True,
) -> Expected:
    """The first half of `verify`: the reference engine alone, whose results serve every variant of a folder.

    converted: False for an engine that runs the checkpoint itself, which is then its own source.
    """
    model = open_model(folder)
    checkpoint = Checkpoint(source_for(model, source, converted=converted))
    cases = _cases(model, checkpoint, prompts)
    batch = [case.prompt for case in cases]
    answers = _answers(model, checkpoint)
    reference = ReferenceEngine(checkpoint)
    if progress is not None:
        progress(f"reference engine: {len(batch)} prompts, {sum(len(prompt) for prompt in batch)} tokens")
    outputs, seconds = _run(reference, batch, lambda: reference.output_rows(answers))
    reading = read_again(checkpoint, answers)
    return Expected(model, checkpoint, tuple(cases), outputs, seconds, reading)


def examine(
    expected: Expected,
    *,
    device: str = "CPU",
    precision: str = "auto",
    engine: str | None = None,
    variant: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    layers: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """The second half of `verify`: one engine of the folder, compared with what was expected."""
    say = progress or (lambda _: None)
    model, checkpoint, batch = expected.model, expected.checkpoint, expected.prompts
    chosen = engine or engine_for(model, variant)
    if layers and chosen != "openvino":
        raise InputError(
            "layers", "errors by layer are known for OpenVINO folders only", "leave --layers out"
        )
    what = "vLLM" if chosen == "vllm" else "converted folder"
    say(f"{what}{f', variant {variant}' if variant else ''}: the same prompts")
    running = open_engine(
        model, device=device, precision=precision, engine=chosen, variant=variant, options=engine_options
    )
    try:
        found, seconds = _run(running, batch, lambda: head_rows(model, running))
        info = running.info
    finally:
        running.close()
    by_layer = _by_layer(expected, device, precision, say) if layers else ()
    weights, arithmetic = weights_of(model, info), arithmetic_of(info)
    tolerance = tolerance_for(weights, arithmetic, checkpoint.config.num_hidden_layers)
    comparison = compare([case.group for case in expected.cases], expected.outputs, found, tolerance)
    golden = _golden(expected, found)
    return Report(
        folder=model.path,
        source=checkpoint.path,
        engine=info,
        weights=weights,
        arithmetic=arithmetic,
        tolerance=tolerance,
        prompts=len(batch),
        tokens=sum(len(prompt) for prompt in batch),
        comparison=comparison,
        golden=golden,
        layers=by_layer,
        reference_seconds=expected.seconds,
        engine_seconds=seconds,
        read_by=expected.reading.by,
        failures=(
            *expected.reading.differences,
            *comparison.failures(tolerance),
            *_golden_failures(model, checkpoint, golden),
        ),
    )


def weights_of(model: Folder, info: EngineInfo) -> str:
    """How the weights are stored: by the kind of the ONNX graph, the manifest, or what the engine found in an IR."""
    if info.engine == "onnx":
        return _onnx_kind(info)[0]
    if info.engine == "vllm":
        arithmetic, _, quantised = info.precision.partition(", ")
        return arithmetic if not quantised else "int8" if "8" in quantised else "int4"
    if model.manifest is not None:
        return model.manifest.weights
    if info.weights not in WEIGHTS_ERROR:
        raise ModelError(
            f"no error is stated for weights of the type {info.weights}", "verify another folder"
        )
    return info.weights


def _onnx_kind(info: EngineInfo) -> tuple[str, str]:
    """(weights, arithmetic). Raises ModelError for a kind for which no error is stated."""
    if info.precision not in VARIANT_KINDS:
        raise ModelError(
            f"no error is stated for ONNX files of the kind {info.precision}", "verify another variant"
        )
    return VARIANT_KINDS[info.precision]


def arithmetic_of(info: EngineInfo) -> str:
    """The key of ARITHMETIC_ERROR for what an engine says that it runs."""
    if info.engine == "onnx":
        return _onnx_kind(info)[1]
    if info.engine == "vllm":
        return info.precision.partition(", ")[0]
    # "int8" names the weights: they are unpacked to bf16
    return {"f32": "f32", "w8a8": "int8-rows"}.get(info.precision, "bf16")


def _by_layer(
    expected: Expected, device: str, precision: str, say: Callable[[str], None]
) -> tuple[float, ...]:
    from yesrank.engine.openvino import layer_states

    say("layer by layer")
    batch = expected.prompts
    return _layer_errors(
        ReferenceEngine(expected.checkpoint).layer_states(batch),
        layer_states(expected.model.path, batch, device=device, precision=precision),
    )


def source_for(model: Folder, source: Path | None, *, converted: bool) -> Path:
    """The checkpoint to compare a folder with: itself, where an engine runs it unconverted.

    Raises ModelError where the folder names none that is here, or should be converted and is not.
    """
    if model.kind == "checkpoint" and converted:
        raise ModelError(
            f"{model.path} is no converted folder", f"convert it first: yesrank convert {model.path} TARGET"
        )
    if source is not None:
        return source
    if model.kind == "checkpoint":
        return model.path
    if model.manifest is not None:
        named = Path(model.manifest.source)
        own = checkpoint_folder()  # of the built-in model, which nobody has downloaded
        places = [named, model.path.parent / named.name]
        if named.name == own.name:
            places.append(own)
        for place in places:
            if place.is_dir() and place != model.path:
                return place
        where = f"its source {named} is neither here nor beside it"
    else:
        where = "it has no manifest that names its source"
    raise ModelError(
        f"{model.path}: {where}, so there is nothing to compare with",
        f"name the checkpoint: yesrank verify {model.path} --source CHECKPOINT",
    )


def _cases(model: ModelFolder, checkpoint: Checkpoint, count: int | None) -> list[Case]:
    """The prompts. Raises ModelError where the two tokenizers disagree on them, or the shapes differ."""
    if _as_stated(model.config, checkpoint.config) != checkpoint.config:
        raise ModelError(
            f"{model.path} and {checkpoint.path} are of different models (config.json differs)",
            "name the checkpoint that the folder was converted from",
        )
    ours, theirs = (
        build_cases(
            PromptEncoder.from_folder(path), model.template, model.config.vocab_size, model.max_length, count
        )
        for path in (model.path, checkpoint.folder)
    )
    if ours != theirs:
        raise ModelError(
            "the tokenizers of folder and source give different ids",
            f"copy tokenizer.json from {checkpoint.folder} to {model.path}, or convert again",
        )
    return ours


def _as_stated(config: Qwen3Config, source: Qwen3Config) -> Qwen3Config:
    """A folder's configuration, with the source's own where the folder does not say, or may say something else.

    Tensors decide whether embeddings are tied; the same model may end in a vocabulary or in labels; onnxruntime-genai
    keeps a part of config.json only.
    """
    config = replace(config, tie_word_embeddings=source.tie_word_embeddings, labels=source.labels)
    if config.intermediate_size:
        return config
    return replace(
        config,
        intermediate_size=source.intermediate_size,
        rms_norm_eps=source.rms_norm_eps,
        rope_theta=source.rope_theta,
        yarn=source.yarn,
    )


def _answers(model: ModelFolder, checkpoint: Checkpoint) -> tuple[int, int]:
    """Of the source: tokens, or labels where that is a classifier, whatever the folder is."""
    if model.manifest is not None or bool(model.config.labels) == bool(checkpoint.config.labels):
        return model.answers
    return open_model(checkpoint.path).answers


def _run(engine: "Engine", batch: Sequence[Prompt], rows: Callable[[], FloatArray]) -> tuple[Outputs, float]:
    """What the engine gives, and the seconds that its encode took."""
    started = time.perf_counter()
    hidden = engine.encode(batch)
    seconds = time.perf_counter() - started
    return Outputs(hidden, rows()), seconds


def _layer_errors(expected: FloatArray, found: FloatArray) -> tuple[float, ...]:
    """float32 [N, layers + 1, D] each -> the mean relative error of each layer's output."""
    return tuple(relative_errors(expected, found).mean(axis=0).tolist())


def _golden(expected: Expected, found: Outputs) -> Golden:
    """Compares with the published logits where the source is the model that they were published for."""
    golden = texts()["golden"]
    name = golden["model"]
    if any(getattr(expected.checkpoint.config, key) != value for key, value in golden["shape"].items()):
        return Golden(False, f"not applicable: published values are known for {name}, which has other sizes")
    members = [index for index, case in enumerate(expected.cases) if case.group == GOLDEN]
    logits = np.array(golden["logits"][: len(members)], np.float32)
    reference = float(np.abs(expected.outputs.logits[members] - logits).max())
    converted = float(np.abs(found.logits[members] - logits).max())
    if reference <= GOLDEN_TOLERANCE:
        return Golden(True, f"the source gives the published logits of {name}", reference, converted)
    note = f"the source has the sizes of {name} but not its logits (they differ by up to {reference:.3f})"
    return Golden(False, note, reference, converted)


def _golden_failures(model: ModelFolder, checkpoint: Checkpoint, golden: Golden) -> tuple[str, ...]:
    """A source that goes by the published model's name has to give the published logits."""
    name = str(texts()["golden"]["model"]).lower()
    source = str(model.manifest.source) if model.manifest is not None else ""
    claims = name in (checkpoint.path.name.lower(), source.rstrip("/").rpartition("/")[2].lower())
    if golden.reference_error is None or golden.applies or not claims:
        return ()
    return (f"{golden.note}: an altered checkpoint, or a damaged download",)
