"""What a model folder holds: its manifest where it has one, what can be derived where it has none."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from yesrank.asking import Asking, asking_of
from yesrank.checkpoint import Checkpoint
from yesrank.engine.base import Engine
from yesrank.engine.onnx import variants_of
from yesrank.errors import ModelError, ModelNotFound
from yesrank.kinds import RERANKER, Sign, kind_of, refuse_other
from yesrank.manifest import Manifest, check_files, read_manifest, without_absent_variants
from yesrank.models import builtin
from yesrank.models.graphs import sign_of_graph
from yesrank.models.integrity import check_beside
from yesrank.prompt import Template
from yesrank.qwen3 import Qwen3Config
from yesrank.templates import FILE as TEMPLATE_FILE
from yesrank.templates import folder_template, template_of
from yesrank.tensorplaces import gguf_of
from yesrank.tokens import MODEL_CARD_MAX_LENGTH, PromptEncoder
from yesrank.types import FloatArray

_HEAD = "head.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that can be run, or a GGUF file.

    texts: the folder of its tokenizer, for most kinds the path. kind: "openvino", "onnx" or "checkpoint", the first of
    these that is there.
    variants: of the ONNX files, the default one first. instruction: the default one; None for the model card's.
    max_length: default limit of a prompt, limit: the highest that may be asked for, both in tokens.
    notes: what was derived, for a person to read.
    """

    path: Path
    texts: Path
    kind: str
    variants: tuple[str, ...]
    manifest: Manifest | None
    config: Qwen3Config
    instruction: str | None
    max_length: int
    limit: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder(Folder):
    """One that ranks. answers: token ids of yes and no, or of what stands for them."""

    template: Template
    answers: tuple[int, int]


def builtin_folder() -> Path:
    """The small model that comes with the package. Raises as models.builtin.model_folder."""
    return builtin.model_folder()


def builtin_checkpoint() -> Path:
    """The same model before any conversion: a plain Hugging Face folder."""
    return builtin.checkpoint_folder()


def model_path(model: str | Path | None) -> Path:
    """Where the folder is, None for the built-in model's. Raises as models.builtin.model_folder."""
    return builtin_folder() if model is None else Path(model).expanduser()


def open_model(model: str | Path | None = None, template: str | Path | None = None) -> ModelFolder:
    """The reranker's folder at a path; None for the built-in model. Raises ModelNotFound or ModelError.

    Every file is compared with the manifest: the weights by their size only, until an engine opens them. template: one
    that is wanted whatever the folder says of it. How a folder without a manifest is asked: see asking. An embedding
    model is an UnsupportedModel.
    """
    path = model_path(model)
    manifest = checked_manifest(path)
    kind = format_of(path)
    refuse_other(path, RERANKER, kind_in(path, manifest))
    config, asked, texts, notes = _read(path, kind, manifest, template)
    limit = config.longest
    return ModelFolder(
        path=path,
        texts=texts,
        kind=kind,
        variants=tuple(file.variant for file in variants_of(path)),
        manifest=manifest,
        config=config,
        template=asked.template,
        answers=asked.answers or _yes_no(PromptEncoder.from_folder(texts)),
        instruction=asked.instruction,
        max_length=min(limit, manifest.max_length if manifest else MODEL_CARD_MAX_LENGTH),
        limit=limit,
        notes=notes,
    )


def checked_manifest(path: Path) -> Manifest | None:
    """The manifest of a folder whose files are those that it lists; None where it has none.

    Raises ModelNotFound where there is no folder, ModelError for a file that differs.
    """
    if not path.is_dir() and path.suffix != ".gguf":
        raise ModelNotFound(
            f"there is no model folder {path}",
            "give a converted folder; to make one: yesrank convert CHECKPOINT FOLDER",
        )
    manifest = read_manifest(path)
    if manifest is not None:
        here = without_absent_variants(path, manifest)
        check_files(path, here)
        check_beside(path, here)
    return manifest


def kind_in(path: Path, manifest: Manifest | None = None) -> Sign | None:
    """What tells whether a folder ranks or embeds: see kinds, and what its ONNX files give. None where nothing does."""
    return kind_of(path, manifest) or sign_of_graph(path)


def _read(
    path: Path, kind: str, manifest: Manifest | None, template: str | Path | None
) -> tuple[Qwen3Config, Asking, Path, tuple[str, ...]]:
    """What holds of config.json, how the model is asked, the folder of its tokenizer, and notes.

    A checkpoint's tensors are all looked at.
    """
    texts = path
    notes: tuple[str, ...] = ()
    if kind == "checkpoint":
        checkpoint = Checkpoint(path)
        asked = asking_of(checkpoint.folder, template)
        config, texts, notes = checkpoint.config, checkpoint.folder, checkpoint.notes
    else:
        config = Qwen3Config.from_folder(path)
        asked = _of_manifest(path, manifest, template) if manifest else asking_of(path, template)
    if manifest is None:
        said = (asked.origin,) if asked.origin else ()
        what = "max_length is" if said else "template card and max_length are"
        notes = (f"no yesrank.json: {what} the model card's", *said, *notes)
    return config, asked, texts, notes


def _of_manifest(path: Path, manifest: Manifest, template: str | Path | None) -> Asking:
    answers = (manifest.answers["yes"], manifest.answers["no"])
    own = folder_template(path, manifest.template)
    return Asking(own if template is None else template_of(template), manifest.instruction, answers)


def _yes_no(encoder: PromptEncoder) -> tuple[int, int]:
    return encoder.answer_id("yes"), encoder.answer_id("no")


def own_template_of(path: Path) -> Template | None:
    """The template that a folder brings with it, None where it has a published one. Raises ModelError."""
    if not (path / TEMPLATE_FILE).is_file():
        return None
    manifest = read_manifest(path)
    return folder_template(path, manifest.template) if manifest is not None else None


def head_rows(folder: ModelFolder, engine: Engine) -> FloatArray:
    """The rows of yes and no, float32 [2, D]: the source's own where the folder keeps them, else the engine's.

    The engine's are those of the folder's output embedding, which may be quantised.
    """
    path = folder.path / _HEAD
    if not path.exists():
        own = engine.info.labels and not folder.config.labels  # a graph with two logits: of no and yes
        return engine.output_rows((1, 0) if own else folder.answers)
    try:
        rows: FloatArray = load(path.read_bytes())["yes_no"]  # not mapped: see held.py
    except (SafetensorError, KeyError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}", "convert the checkpoint again") from error
    return rows


def holds_checkpoint(path: Path) -> bool:
    """Whether there are the safetensors files of a checkpoint."""
    return any((path / name).exists() for name in ("model.safetensors", "model.safetensors.index.json"))


def format_of(path: Path) -> str:
    """openvino, onnx or checkpoint, the first of these that is there. Raises ModelError where none is."""
    if any((path / name).exists() for name in ("openvino_model.xml", "openvino_model.bin")):
        return "openvino"
    if variants_of(path):
        return "onnx"
    if holds_checkpoint(path) or gguf_of(path) is not None:
        return "checkpoint"
    if not any(path.iterdir()):
        raise ModelError(
            f"{path} is empty",
            "name a folder with a model; to get one: yesrank pull Qwen/Qwen3-Reranker-0.6B, or, from a checkpoint, "
            "yesrank convert CHECKPOINT FOLDER",
        )
    raise ModelError(
        f"{path} holds neither an OpenVINO model, nor ONNX files, nor a safetensors checkpoint",
        "name the folder that holds config.json and the weights; a checkpoint in another format has to be saved as "
        "safetensors first",
    )
