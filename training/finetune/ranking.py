"""nDCG@10 of a BEIR collection, BM25's documents reranked by the model in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.finetune.ranker import Ranker
from yesrank.evaluate import Collection, FirstStage, bm25, read_folder
from yesrank.evaluate.measures import MAIN, measure
from yesrank.evaluate.reranking import with_rest
from yesrank.evaluate.statistics import difference, mean
from yesrank.evaluate.trec import Run, top
from yesrank.prompt import Template, frame
from yesrank.tokens import PromptEncoder


@dataclass(frozen=True, slots=True)
class Task:
    """A collection and the documents that are reranked."""

    collection: Collection
    first_stage: FirstStage
    candidates: Run

    @classmethod
    def read(cls, folder: Path, top_k: int) -> Task:
        """Raises InputError, or MissingExtra."""
        collection = read_folder(folder)
        first_stage = bm25(collection)
        return cls(collection, first_stage, {name: top(row, top_k) for name, row in first_stage.run.items()})

    @property
    def pairs(self) -> int:
        """How many documents are scored."""
        return sum(map(len, self.candidates.values()))


@dataclass(frozen=True, slots=True)
class Prompts:
    """How the texts of a collection become prompts."""

    encoder: PromptEncoder
    template: Template
    instruction: str
    max_length: int


def reranked(task: Task, ranker: Ranker, prompts: Prompts) -> list[float]:
    """nDCG@10 of each judged query after reranking."""
    logits: dict[str, Mapping[str, float]] = {}
    for name, row in task.candidates.items():
        around = frame(prompts.template, prompts.instruction, task.collection.queries[name])
        documents = [task.collection.documents[each] for each in row]
        group = prompts.encoder.prompts(around, documents, prompts.max_length)
        logits[name] = dict(zip(row, ranker.score(group), strict=True)) if group else {}
    run = with_rest(logits, task.first_stage.run)
    values: list[float] = measure(task.collection.qrels, run, [MAIN])[MAIN].tolist()
    return values


def first_stage(task: Task) -> list[float]:
    """nDCG@10 of each judged query as BM25 has it."""
    values: list[float] = measure(task.collection.qrels, task.first_stage.run, [MAIN])[MAIN].tolist()
    return values


def summary(task: Task, before: list[float], after: list[float]) -> dict[str, object]:
    """Means with 95 % intervals, and the paired test of after against before."""
    rows = {"BM25": first_stage(task), "before": before, "after": after}
    means = {name: mean(np.array(row)) for name, row in rows.items()}
    gain = difference(np.array(after), np.array(before))
    return {
        "collection": task.collection.name,
        "queries": len(before),
        "documents scored": task.pairs,
        **{name: (each.value, each.low, each.high) for name, each in means.items()},
        "difference": (gain.value, gain.low, gain.high, gain.p),
    }
