"""What `rank` and `score` are asked, read and checked before any work is done on it; and how the work is reported."""

import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from yesrank.models import inputs
from yesrank.models.background import Check
from yesrank.prompt import Template
from yesrank.rendered import Plain, plain
from yesrank.types import Progress


@dataclass(frozen=True, slots=True)
class RankJob:
    """What `rank` is asked, read and checked. documents: as the model is shown them; texts: before that."""

    query: str
    documents: tuple[str, ...]
    instruction: str | None
    texts: list[str]
    given: list[Any]
    top_n: int | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What `score` is asked, likewise; the three are as long as there are pairs."""

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    instructions: tuple[str | None, ...]


def rank_job(
    query: object,
    documents: object,
    instruction: str | None,
    top_n: object,
    threshold: object,
    *,
    as_text: bool,
    template: Template,
) -> RankJob:
    """Raises InputError for what `rank` cannot take. Reads `documents` once."""
    most, least = inputs.how_many("top_n", top_n), inputs.least_score("threshold", threshold)
    asked = inputs.question("query", query)
    found = inputs.documents(documents)
    read = _plain([asked], found.texts, instruction, template, as_text=as_text)
    [own] = read.instructions
    return RankJob(read.queries[0], read.documents, own or instruction, found.texts, found.given, most, least)


def score_job(pairs: object, instruction: str | None, *, as_text: bool, template: Template) -> ScoreJob:
    """Raises InputError for what `score` cannot take. Reads `pairs` once."""
    read = _plain(*inputs.pairs(pairs), instruction, template, as_text=as_text)
    instructions = tuple(instruction if own is None else own for own in read.instructions)
    return ScoreJob(read.queries, read.documents, instructions)


def _plain(
    queries: list[str], documents: list[str], instruction: str | None, template: Template, *, as_text: bool
) -> Plain:
    """The texts to be judged, and a warning of what is not as it came."""
    if as_text:
        return Plain((*queries,), (*documents,), (None,) * len(queries))
    asked = None if instruction is None else inputs.text("instruction", instruction)
    read = plain(queries, documents, instruction=asked, template=template)
    for note in read.notes:
        warnings.warn(note, stacklevel=4)  # here, the job, the method, its caller
    return read


def reporter(
    progress: bool | Progress, total: int, label: str = "scoring"
) -> AbstractContextManager[Progress | None]:
    """What is told of the work: the caller's function, a bar on stderr for True, nothing for False."""
    if not isinstance(progress, bool):
        return nullcontext(progress)
    if not progress:
        return nullcontext(None)
    from yesrank.models.progress import bar

    return bar(label, total)


def checked(check: Check, report: Progress | None) -> Progress:
    """Tells of progress, and ends the work where nobody waits for it."""
    check()

    def told(done: int) -> None:
        check()
        if report is not None:
            report(done)

    return told
