"""What the folder of an embedding model holds."""

from dataclasses import dataclass
from pathlib import Path

from yesrank.checkpoint import Checkpoint
from yesrank.embedding import Recipe, recipe_of
from yesrank.engine.onnx import variants_of
from yesrank.kinds import EMBEDDING, refuse_other, undecided
from yesrank.models.folder import Folder, checked_manifest, format_of, kind_in, open_model
from yesrank.qwen3 import Qwen3Config
from yesrank.tokens import MODEL_CARD_MAX_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingFolder(Folder):
    """One that embeds. recipe: what stands before and after a text."""

    recipe: Recipe


def open_embedding_model(path: Path, *, sure: bool = False) -> EmbeddingFolder:
    """The embedding model's folder at a path; as open_model, a reranker being an UnsupportedModel.

    sure: the caller knows that it embeds, where nothing in the folder says so; else that is an UnsupportedModel too.
    """
    manifest = checked_manifest(path)
    kind, sign = format_of(path), kind_in(path, manifest)
    refuse_other(path, EMBEDDING, sign)
    if sign is None and not sure:
        raise undecided(path)
    notes: tuple[str, ...] = ()
    if kind == "checkpoint":
        checkpoint = Checkpoint(path, decoder_only=True)
        config, notes = checkpoint.config, checkpoint.notes
    else:
        config = Qwen3Config.from_folder(path)
    recipe = recipe_of(path)
    if manifest is None:
        notes = ("no yesrank.json: max_length is the model card's", *notes)
    if recipe.origin:
        notes = (*notes, recipe.origin)
    usual = manifest.max_length if manifest else MODEL_CARD_MAX_LENGTH
    return EmbeddingFolder(
        path=path,
        texts=path,
        kind=kind,
        variants=tuple(file.variant for file in variants_of(path)),
        manifest=manifest,
        config=config,
        instruction=recipe.instruction,
        max_length=min(config.longest, usual, recipe.max_length or usual),
        limit=config.longest,
        notes=notes,
        recipe=recipe,
    )


def open_folder(path: Path, template: str | Path | None = None, kind: str | None = None) -> Folder:
    """The folder of a model of either kind. kind: what the caller knows it to be. Raises as open_model.

    Where nothing says which, it is a reranker, as the published ones are.
    """
    if path.is_dir():
        sign = kind_in(path)
        if (kind if sign is None else sign.kind) == EMBEDDING:
            return open_embedding_model(path, sure=kind == EMBEDDING)
    return open_model(path, template)
