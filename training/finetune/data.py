"""All that a run reads, before anything is computed that takes long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from training.finetune.examples import Example, Pool, build, split, without
from training.finetune.groups import Groups
from training.finetune.mining import mine_bm25
from training.finetune.pairs import Line, read_corpus, read_sources
from training.finetune.settings import Settings
from yesrank.errors import InputError
from yesrank.prompt import template_named
from yesrank.tokens import PromptEncoder


@dataclass(slots=True)
class Data:
    """What is trained on and what is held out. notes: what is odd, with counts."""

    groups: Groups
    training: list[Example]
    held_out: list[Example]
    notes: list[str] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        """Every document."""
        return self.groups.pool

    def mine(self) -> None:
        """Gives every example BM25's negatives. Raises MissingExtra, or InputError where no document has a word."""
        both = mine_bm25(self.pool, [*self.training, *self.held_out])
        cut = len(self.training)
        self.training, self.held_out = both[:cut], both[cut:]

    def mined(self, found: Sequence[Sequence[int]]) -> int:
        """Replaces the mined negatives of the training examples; returns how many fewer they are."""
        before = sum(len(example.mined) for example in self.training)
        pairs = zip(self.training, found, strict=True)
        self.training = [replace(example, mined=tuple(mined)) for example, mined in pairs]
        return before - sum(map(len, found))


def read(settings: Settings, encoder: PromptEncoder) -> Data:
    """Raises InputError, naming file and line."""
    source = read_sources(settings.pairs, split=settings.split, positive_from=settings.positive_from)
    pool, notes = Pool(), [*source.notes]
    examples = _examples(settings, pool, source.lines, notes.extend)
    training, held_out = _held_out(settings, pool, examples, notes.extend)
    for text in [*source.corpus, *(read_corpus(settings.corpus) if settings.corpus else ())]:
        pool.add(text)
    template = template_named(settings.template)
    groups = Groups(pool, encoder, template, settings.max_length, settings.negatives, settings.seed)
    groups.check([*training, *held_out])
    return Data(groups, training, held_out, notes)


def _held_out(
    settings: Settings, pool: Pool, examples: list[Example], note: Callable[[list[str]], None]
) -> tuple[list[Example], list[Example]]:
    """(training, held out): by the file of the latter where there is one, else by lot."""
    if not settings.dev_file:
        return split(examples, settings.dev_share, settings.seed)
    source = read_sources([settings.dev_file], positive_from=settings.positive_from)
    note(source.notes)
    held_out = _examples(settings, pool, source.lines, note)
    training = without(examples, held_out)
    if not training:
        raise InputError("dev", "it has all queries of the pairs", "name a file with other queries")
    if left_out := len(examples) - len(training):
        note([f"dev: {left_out} pairs have a query of the held-out file and are not trained on"])
    return training, held_out


def _examples(
    settings: Settings, pool: Pool, lines: Sequence[Line], note: Callable[[list[str]], None]
) -> list[Example]:
    examples, notes = build(pool, lines, settings.instruction)
    note(notes)
    return examples
