"""The verification of an embedding model: both engines over the same texts, vector by vector.

A hidden error of r turns a vector by an angle of r at most, so its cosine with the right one is sqrt(1 - r^2) or more:
the bound on hidden states (compare.py) bounds vectors, too.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from yesrank import vectors
from yesrank.checkpoint import Checkpoint
from yesrank.embedding import QUERY, Recipe
from yesrank.engine.reference import ReferenceEngine
from yesrank.errors import InputError, ModelError
from yesrank.models.embedding_folder import EmbeddingFolder, open_embedding_model
from yesrank.models.engines import engine_for, open_engine
from yesrank.tokens import PromptEncoder
from yesrank.types import EngineInfo, FloatArray, Ids, Prompt
from yesrank.verify.cases import texts
from yesrank.verify.compare import relative_errors, tolerance_for
from yesrank.verify.reading import read_again
from yesrank.verify.run import Golden, arithmetic_of, source_for, weights_of

GOLDEN_TOLERANCE = 5e-3
"""Of the reference engine's similarities: the card does not say in which precision its own were computed."""
_RANDOM_LENGTHS = (1, 17, 96)


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """What verify found.

    least_cosine, mean_cosine: of each vector with the reference engine's; allowed_cosine: the bound. layers: the mean
    relative error of the residual stream, embedding first; empty where not asked for. read_by: who read the source's
    config.json a second time.
    """

    folder: Path
    source: Path
    engine: EngineInfo
    weights: str
    arithmetic: str
    tolerance: float
    texts: int
    tokens: int
    least_cosine: float
    mean_cosine: float
    allowed_cosine: float
    max_hidden_error: float
    mean_hidden_error: float
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
class ExpectedVectors:
    """What the reference engine gave for a folder's source. golden: how many of the first prompts are published."""

    model: EmbeddingFolder
    checkpoint: Checkpoint
    prompts: tuple[Prompt, ...]
    golden: int
    hidden: FloatArray
    seconds: float
    read_by: str
    differences: tuple[str, ...]


def judge_embedder(
    folder: Path,
    source: Path | None = None,
    *,
    prompts: int | None = None,
    sure: bool = False,
    converted: bool = True,
    progress: Callable[[str], None] | None = None,
) -> ExpectedVectors:
    """The reference engine alone, whose results serve every variant of a folder. As verify.judge."""
    model = open_embedding_model(folder, sure=sure)
    checkpoint = Checkpoint(source_for(model, source, converted=converted), decoder_only=True)
    batch, golden = _prompts(model, checkpoint, prompts)
    if progress is not None:
        progress(f"reference engine: {len(batch)} texts, {sum(map(len, batch))} tokens")
    started = time.perf_counter()
    hidden = ReferenceEngine(checkpoint).encode(batch)
    seconds = time.perf_counter() - started
    reading = read_again(checkpoint, ())
    return ExpectedVectors(
        model, checkpoint, tuple(batch), golden, hidden, seconds, reading.by, reading.differences
    )


def examine_embedder(
    expected: ExpectedVectors,
    *,
    device: str = "CPU",
    precision: str = "auto",
    engine: str | None = None,
    variant: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    layers: bool = False,
    progress: Callable[[str], None] | None = None,
) -> EmbeddingReport:
    """One engine of the folder, compared with what was expected. As verify.examine."""
    model, checkpoint, batch = expected.model, expected.checkpoint, expected.prompts
    chosen = engine or engine_for(model, variant)
    if layers and chosen != "openvino":
        raise InputError(
            "layers", "errors by layer are known for OpenVINO folders only", "leave --layers out"
        )
    if progress is not None:
        progress(f"converted folder{f', variant {variant}' if variant else ''}: the same texts")
    running = open_engine(
        model, device=device, precision=precision, engine=chosen, variant=variant, options=engine_options
    )
    try:
        started = time.perf_counter()
        hidden = running.encode(batch)
        seconds, info = time.perf_counter() - started, running.info
    finally:
        running.close()
    weights, arithmetic = weights_of(model, info), arithmetic_of(info)
    tolerance = tolerance_for(weights, arithmetic, checkpoint.config.num_hidden_layers)
    errors, width = relative_errors(expected.hidden, hidden), hidden.shape[1]
    cosines = np.sum(vectors.unit(expected.hidden, width) * vectors.unit(hidden, width), axis=1)
    allowed = max(0.0, 1.0 - tolerance**2) ** 0.5
    golden = _golden(expected, hidden)
    return EmbeddingReport(
        folder=model.path,
        source=checkpoint.path,
        engine=info,
        weights=weights,
        arithmetic=arithmetic,
        tolerance=tolerance,
        texts=len(batch),
        tokens=sum(map(len, batch)),
        least_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        allowed_cosine=allowed,
        max_hidden_error=float(errors.max()),
        mean_hidden_error=float(errors.mean()),
        golden=golden,
        layers=_by_layer(expected, device, precision) if layers else (),
        reference_seconds=expected.seconds,
        engine_seconds=seconds,
        read_by=expected.read_by,
        failures=(
            *expected.differences,
            *_failures(errors, cosines, tolerance, allowed),
            *_golden_failures(expected, golden),
        ),
    )


def _failures(errors: FloatArray, cosines: FloatArray, tolerance: float, allowed: float) -> tuple[str, ...]:
    """What is outside, in words. Written so that NaN fails."""
    found = []
    if not float(cosines.min()) >= allowed - 1e-6:
        found.append(
            f"vectors agree to a cosine of {float(cosines.min()):.5f}, {allowed:.5f} is the least allowed"
        )
    if not float(errors.max()) <= tolerance:
        found.append(f"hidden states differ by {float(errors.max()):.2%}, allowed are {tolerance:.2%}")
    return tuple(found)


def _prompts(model: EmbeddingFolder, checkpoint: Checkpoint, count: int | None) -> tuple[list[Prompt], int]:
    """The prompts, the published ones first, and how many these are. Raises ModelError where the folders disagree."""
    if model.config != checkpoint.config and _sizes(model) != _sizes(checkpoint):
        raise ModelError(
            f"{model.path} and {checkpoint.path} are of different models (config.json differs)",
            "name the checkpoint that the folder was converted from",
        )
    ours, theirs = (
        _built(
            PromptEncoder.from_folder(path), model.recipe, model.config.vocab_size, model.max_length, count
        )
        for path in (model.path, checkpoint.folder)
    )
    if ours != theirs:
        raise ModelError(
            "the tokenizers of folder and source give different ids",
            f"copy tokenizer.json from {checkpoint.folder} to {model.path}, or convert again",
        )
    return ours


def _sizes(of: EmbeddingFolder | Checkpoint) -> tuple[object, ...]:
    """What must be equal: all but whether there is an output embedding, which nothing here reads."""
    config = of.config
    return tuple(getattr(config, name) for name in config.__slots__ if name != "tie_word_embeddings")


def _built(
    encoder: PromptEncoder, recipe: Recipe, vocabulary: int, max_length: int, count: int | None
) -> tuple[list[Prompt], int]:
    content, golden = texts(), texts()["embedding"]
    query, bare = recipe.frame(recipe.prompt(QUERY)), recipe.frame(recipe.prompt("document"))
    published = [
        *encoder.prompts(query, golden["queries"], max_length),
        *encoder.prompts(bare, golden["documents"], max_length),
    ]
    scripts = [
        *encoder.prompts(query, [content["scripts"]["query"]], max_length),
        *encoder.prompts(bare, content["scripts"]["documents"], max_length),
    ]
    long = [
        prompt
        for length in content["long"]["lengths"]
        for prompt in encoder.prompts(bare, [_long(length)], min(length, max_length))
    ]
    draw = random.Random(2024)
    end = encoder.prompts(bare, [""], max_length)[0].own
    noise = [
        Prompt(Ids(), Ids([*(draw.randrange(vocabulary) for _ in range(min(length, max_length - 1))), *end]))
        for length in _RANDOM_LENGTHS
    ]
    if count is None:
        return [*published, *scripts, *long, *noise], len(published)
    in_turn = [case for row in zip_longest(scripts, long, noise) for case in row if case is not None]
    return list(islice(chain(published, in_turn), count)), min(count, len(published))


def _long(length: int) -> str:
    """About so many tokens and more."""
    sentences, draw = texts()["long"]["sentences"], random.Random(1954)
    return " ".join(
        chain.from_iterable(draw.sample(sentences, len(sentences)) for _ in range(1 + length // 100))
    )


def _by_layer(expected: ExpectedVectors, device: str, precision: str) -> tuple[float, ...]:
    from yesrank.engine.openvino import layer_states

    found = layer_states(expected.model.path, expected.prompts, device=device, precision=precision)
    right = ReferenceEngine(expected.checkpoint).layer_states(expected.prompts)
    return tuple(relative_errors(right, found).mean(axis=0).tolist())


def _similarities(hidden: FloatArray, golden: int) -> FloatArray:
    """Of the published queries with the published documents, which are as many: float32 [golden / 2, golden / 2]."""
    half = golden // 2
    return vectors.cosines(hidden[:half], hidden[half:golden])


def _golden(expected: ExpectedVectors, hidden: FloatArray) -> Golden:
    """Compares with the published similarities where the source is the model that they were published for."""
    golden = texts()["embedding"]
    name, config = golden["model"], expected.checkpoint.config
    if any(getattr(config, key) != value for key, value in golden["shape"].items()):
        return Golden(False, f"not applicable: published values are known for {name}, which has other sizes")
    published = np.array(golden["similarities"], np.float32)
    if expected.golden < 2 * len(published):
        return Golden(False, "not compared: fewer prompts than the published ones were asked for")
    reference = float(np.abs(_similarities(expected.hidden, expected.golden) - published).max())
    converted = float(np.abs(_similarities(hidden, expected.golden) - published).max())
    if reference <= GOLDEN_TOLERANCE:
        return Golden(True, f"the source gives the published similarities of {name}", reference, converted)
    note = (
        f"the source has the sizes of {name} but not its similarities (they differ by up to {reference:.3f})"
    )
    return Golden(False, note, reference, converted)


def _golden_failures(expected: ExpectedVectors, golden: Golden) -> tuple[str, ...]:
    """A source that goes by the published model's name has to give the published similarities."""
    name = str(texts()["embedding"]["model"]).lower()
    manifest = expected.model.manifest
    source = str(manifest.source) if manifest is not None else ""
    claims = name in (expected.checkpoint.path.name.lower(), source.rstrip("/").rpartition("/")[2].lower())
    if golden.reference_error is None or golden.applies or not claims:
        return ()
    return (f"{golden.note}: an altered checkpoint, or a damaged download",)
