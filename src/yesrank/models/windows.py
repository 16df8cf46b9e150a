"""Long documents by parts: overlapping windows, each judged as a document of its own; the best one speaks for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yesrank.errors import InputError
from yesrank.types import FloatArray, Progress, Prompt

CUT, BEST = "cut", "best-passage"
Span = tuple[int, int]
"""(start, end) in characters of a document."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What is judged in the place of documents: each as it is, or its windows one after the other.

    owners: the document of each prompt, ascending. spans: where each window lies, None for a whole document.
    cut: documents of which a part is in no window, or was cut from one.
    """

    prompts: list[Prompt]
    owners: tuple[int, ...]
    spans: tuple[Span | None, ...]
    cut: frozenset[int]

    def best(self, logits: FloatArray) -> npt.NDArray[np.int64]:
        """The row of each document's highest logit, the first of equal ones: int64 [documents]."""
        order = np.lexsort((-np.arange(len(logits)), logits, np.array(self.owners)))
        last = np.flatnonzero(np.diff([*self.owners, -1]))
        return order[last]

    def by_document(self, report: Progress | None) -> Progress | None:
        """What an engine tells of prompts, told as documents: so many of them as the share of prompts that is done."""
        documents = self.owners[-1] + 1 if self.owners else 0
        if report is None or documents == len(self.prompts):
            return report
        prompts = told = 0

        def tell(more: int) -> None:
            nonlocal prompts, told
            prompts += more
            done = prompts * documents // len(self.prompts)
            told, more = done, done - told
            report(more)  # 0 as well: who waits may have gone, which is looked up here

        return tell


def check_long(long: str, max_passages: object) -> int | None:
    """The most windows of a document, None for any number. Raises InputError."""
    if long not in (CUT, BEST):
        raise InputError("long", f"{long!r} is not known", f"use {CUT} or {BEST}")
    if max_passages is None:
        return None
    if isinstance(max_passages, bool) or not isinstance(max_passages, int) or max_passages < 1:
        raise InputError("max_passages", f"must be a whole number of 1 or more, not {max_passages!r}")
    return max_passages


def whole(prompts: Sequence[Prompt]) -> Windows:
    """Each document as one prompt, cut where it is too long."""
    cut = frozenset(at for at, prompt in enumerate(prompts) if prompt.truncated)
    return Windows([*prompts], tuple(range(len(prompts))), (None,) * len(prompts), cut)


def split(
    prompts: Sequence[Prompt],
    documents: Sequence[str],
    spans_of: Callable[[str], list[Span]],
    encode: Callable[[list[str]], list[Prompt]],
    most: int | None,
) -> Windows:
    """Windows of those documents whose prompt was cut; the others keep theirs, and their score.

    spans_of: where the windows of a document lie. encode: texts -> prompts. most: windows of a document.
    """
    rows: list[Prompt] = []
    owners: list[int] = []
    spans: list[Span | None] = []
    cut: set[int] = set()
    for at, prompt in enumerate(prompts):
        if not prompt.truncated:
            parts, made = [None], [prompt]
        else:
            found = spans_of(documents[at])
            parts = [*found[:most]]  # type: ignore[list-item]
            made = encode([documents[at][start:end] for start, end in found[:most]])
            if len(found) > len(parts) or any(each.truncated for each in made):
                cut.add(at)
        rows += made
        owners += [at] * len(made)
        spans += parts
    return Windows(rows, tuple(owners), tuple(spans), frozenset(cut))


def joined(parts: Sequence[Windows]) -> Windows:
    """The windows of several runs of documents, one run after the other."""
    if len(parts) == 1:
        return parts[0]
    prompts: list[Prompt] = []
    owners: list[int] = []
    spans: list[Span | None] = []
    cut: set[int] = set()
    done = 0
    for part in parts:
        prompts += part.prompts
        owners += [done + each for each in part.owners]
        spans += part.spans
        cut |= {done + each for each in part.cut}
        done += part.owners[-1] + 1 if part.owners else 0
    return Windows(prompts, tuple(owners), tuple(spans), frozenset(cut))


def within(text: str, judged: str, span: Span | None) -> Span | None:
    """The place in the text that the caller gave, of which a part may have been judged (yesrank.rendered)."""
    if span is None or judged == text:
        return span
    at = text.find(judged)
    return None if at < 0 else (at + span[0], at + span[1])
