"""Examples -> groups: a positive and its negatives as prompts, in an order that only the seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.finetune.examples import Example, Pool
from yesrank.errors import InputError
from yesrank.prompt import Template, frame
from yesrank.tokens import PromptEncoder
from yesrank.types import Prompt

_MINED_SHARE = (
    0.75  # of the places that given negatives leave; the rest is random, so that easy cases stay easy
)
_TRIES = 50  # draws of a random document before a small pool is taken to be exhausted


@dataclass(frozen=True, slots=True)
class Groups:
    """Turns examples into prompts. negatives: how many a group has, fewer only where there are no more documents."""

    pool: Pool
    encoder: PromptEncoder
    template: Template
    max_length: int
    negatives: int
    seed: int

    def training(self, examples: Sequence[Example], batch: int, start: int) -> Iterator[list[list[Prompt]]]:
        """Endless batches of groups, each its positive first, from the batch number `start` on.

        The same seed gives the same batches, wherever it starts. A batch may reach into the next pass.
        """
        place, order, epoch = start * batch, [], -1
        while True:
            groups = []
            for at in range(place, place + batch):
                if at // len(examples) != epoch:
                    epoch = at // len(examples)
                    order = self._order(len(examples), epoch)
                example = examples[order[at % len(examples)]]
                groups.append(self.prompts(example, [example.positive, *self.draw(example, epoch)]))
            yield groups
            place += batch

    def held_out(self, examples: Sequence[Example]) -> list[list[Prompt]]:
        """One group an example, the hardest negatives known, the same every time."""
        return [self.prompts(example, [example.positive, *self._hardest(example)]) for example in examples]

    def prompts(self, example: Example, places: Sequence[int]) -> list[Prompt]:
        """The prompts of some documents under an example's query."""
        around = frame(self.template, example.instruction, example.query)
        return self.encoder.prompts(around, [self.pool.documents[at] for at in places], self.max_length)

    def draw(self, example: Example, epoch: int) -> list[int]:
        """Negatives for one pass: given ones first, then three mined ones to each random one."""
        rng = random.Random(f"{self.seed} {epoch} {example.positive} {example.query}")
        chosen = rng.sample(example.given, min(len(example.given), self.negatives))
        mined = [place for place in example.mined if place not in chosen]
        hard = min(len(mined), round(_MINED_SHARE * (self.negatives - len(chosen))))
        chosen += rng.sample(mined, hard)
        return self._fill(example, chosen, rng)

    def check(self, examples: Sequence[Example]) -> None:
        """Raises InputError where a query leaves no room for a document, or no group has a negative."""
        if len(self.pool.documents) < 2:
            raise InputError("pairs", "all pairs have the same document", "give negatives, or a --corpus")
        for example in examples:
            try:
                self.encoder.prompts(
                    frame(self.template, example.instruction, example.query), [""], self.max_length
                )
            except InputError as error:
                raise InputError("pairs", f"{example.where}: {error.message}", error.hint) from None

    def _hardest(self, example: Example) -> list[int]:
        rng = random.Random(f"{self.seed} held out {example.positive} {example.query}")
        chosen = [*dict.fromkeys((*example.given, *example.mined))][: self.negatives]
        return self._fill(example, chosen, rng)

    def _fill(self, example: Example, chosen: list[int], rng: random.Random) -> list[int]:
        """Random documents to the full number; none that answers the query, none twice."""
        taken = {example.positive, *self.pool.answers(example.query), *chosen}
        tries = _TRIES * self.negatives
        while len(chosen) < self.negatives and (tries := tries - 1):
            place = rng.randrange(len(self.pool.documents))
            if place not in taken:
                taken.add(place)
                chosen.append(place)
        return chosen

    def _order(self, count: int, epoch: int) -> list[int]:
        order = list(range(count))
        random.Random(f"order {self.seed} {epoch}").shuffle(order)
        return order
