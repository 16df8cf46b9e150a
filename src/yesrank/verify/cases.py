"""The prompts that both engines are given: published, multilingual, long and random ones."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain, islice, zip_longest
from typing import Any

from yesrank.prompt import DEFAULT_INSTRUCTION, TEMPLATES, Template, frame
from yesrank.tokens import PromptEncoder
from yesrank.types import Ids, Prompt

GOLDEN = "published"
_RANDOM_LENGTHS = (1, 17, 96)  # one token; less, and more, than a block of the cache


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt and the group (one query) it belongs to."""

    group: str
    prompt: Prompt


@cache
def texts() -> dict[str, Any]:
    """The texts of texts.json."""
    text = files("yesrank.verify").joinpath("texts.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def build_cases(
    encoder: PromptEncoder, template: Template, vocabulary: int, max_length: int, count: int | None = None
) -> list[Case]:
    """The default set, or its first `count` (drawn from all groups in turn; further ones are random).

    The published prompts keep the template they were published with. vocabulary: random ids are below it.
    """
    groups = [
        _golden(encoder, max_length),
        _scripts(encoder, template, max_length),
        _long(encoder, template, max_length),
        list(islice(_random(encoder, template, vocabulary, max_length), len(_RANDOM_LENGTHS))),
    ]
    if count is None:
        return list(chain.from_iterable(groups))
    in_turn = [case for row in zip_longest(*groups) for case in row if case is not None]
    more = islice(_random(encoder, template, vocabulary, max_length), len(_RANDOM_LENGTHS), None)
    chosen = list(islice(chain(in_turn, more), count))
    return sorted(chosen, key=lambda case: [group[0].group for group in groups].index(case.group))


def _golden(encoder: PromptEncoder, max_length: int) -> list[Case]:
    golden = texts()["golden"]
    around = frame(TEMPLATES["card"], golden["instruction"], golden["query"])
    return [Case(GOLDEN, prompt) for prompt in encoder.prompts(around, golden["documents"], max_length)]


def _scripts(encoder: PromptEncoder, template: Template, max_length: int) -> list[Case]:
    around = frame(template, DEFAULT_INSTRUCTION, texts()["scripts"]["query"])
    return [
        Case("scripts", prompt)
        for prompt in encoder.prompts(around, texts()["scripts"]["documents"], max_length)
    ]


def _long(encoder: PromptEncoder, template: Template, max_length: int) -> list[Case]:
    """One document of a few hundred tokens and one of more than a thousand, where the model has room."""
    long, draw = texts()["long"], random.Random(1954)
    around = frame(template, DEFAULT_INSTRUCTION, long["query"])
    cases = []
    for length in long["lengths"]:
        sentences: list[str] = []
        while len(sentences) * 16 < length:  # a sentence has about 20 tokens; what is too much is cut
            sentences += draw.sample(long["sentences"], len(long["sentences"]))
        room = min(
            max_length, length + _around_length(encoder, around_query=long["query"], template=template)
        )
        cases += [Case("long", prompt) for prompt in encoder.prompts(around, [" ".join(sentences)], room)]
    return cases


def _random(encoder: PromptEncoder, template: Template, vocabulary: int, max_length: int) -> Iterator[Case]:
    """Random ids in the document's place: embedding rows that no text here would reach."""
    draw, number = random.Random(2024), 0
    [empty] = encoder.prompts(frame(template, DEFAULT_INSTRUCTION, "random"), [""], max_length)
    while True:
        length = min(_RANDOM_LENGTHS[number % len(_RANDOM_LENGTHS)], max_length - len(empty))
        document = [draw.randrange(vocabulary) for _ in range(length)]
        yield Case("random", Prompt(empty.prefix, Ids([*document, *empty.own])))
        number += 1


def _around_length(encoder: PromptEncoder, around_query: str, template: Template) -> int:
    [empty] = encoder.prompts(frame(template, DEFAULT_INSTRUCTION, around_query), [""], 1 << 30)
    return len(empty)
