"""What is to be converted: a reranker with its answers, or an embedding model with its prompts."""

from dataclasses import dataclass
from pathlib import Path

from yesrank.asking import Asking, asking_of, notes_of
from yesrank.checkpoint import Checkpoint
from yesrank.convert.folder import answer_ids, write_head
from yesrank.convert.sentences import write_sentence_files
from yesrank.embedding import Recipe, recipe_of
from yesrank.errors import InputError
from yesrank.kinds import EMBEDDING, RERANKER, kind_of
from yesrank.templates import template_of, write_own
from yesrank.tokens import PromptEncoder


@dataclass(frozen=True, slots=True)
class Subject:
    """A checkpoint, and how it is asked. answers: token ids by word, of a reranker; recipe: of an embedding model.

    notes: what is not as one would expect, for a person to read.
    """

    checkpoint: Checkpoint
    asked: Asking | None
    answers: dict[str, int]
    recipe: Recipe | None
    notes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """RERANKER or EMBEDDING."""
        return RERANKER if self.recipe is None else EMBEDDING

    def write_beside(self, folder: Path) -> None:
        """Writes what belongs to its kind: the rows of the answers, or the files that sentence-transformers reads."""
        if self.recipe is not None:
            write_sentence_files(self.checkpoint, folder, self.recipe)
        if self.asked is not None:
            write_head(folder, self.checkpoint, self.answers)
            write_own(folder, self.asked.template)


def subject_of(
    source: Path,
    template: str | Path | None = None,
    kind: str | None = None,
    *,
    tokenizer: Path | None = None,
    lora: Path | None = None,
) -> Subject:
    """The checkpoint at a path. kind: RERANKER or EMBEDDING where the caller knows, None for what the folder says.

    tokenizer, lora: as of Checkpoint. Where the folder says nothing it is a reranker, as the published ones are. Raises
    ModelError and below, InputError.
    """
    if template is not None:
        template_of(template)
    found = kind_of(source) if kind is None else None
    if (found.kind if found else kind) == EMBEDDING:
        return _embedding(source, template, lora)
    checkpoint = Checkpoint(source, tokenizer=tokenizer, lora=lora)
    asked = asking_of(checkpoint.folder, template, sure=kind == RERANKER)
    notes = notes_of(checkpoint, asked)
    if found is None and kind is None and source.is_dir():
        notes += ("nothing says whether it ranks or embeds: it is taken for a reranker (--model-type)",)
    return Subject(checkpoint, asked, answer_ids(checkpoint, asked), None, notes)


def _embedding(source: Path, template: str | Path | None, lora: Path | None) -> Subject:
    if template is not None:
        raise InputError(
            "template",
            f"{source} is an embedding model, which has prompts and no template",
            "leave it out; prompts are those of its config_sentence_transformers.json",
        )
    checkpoint = Checkpoint(source, lora=lora, decoder_only=True)
    recipe = recipe_of(source)
    PromptEncoder.from_folder(source).check_control(recipe.before + recipe.after)
    notes = (*checkpoint.notes, *((recipe.origin,) if recipe.origin else ()))
    return Subject(checkpoint, None, {}, recipe, notes)
