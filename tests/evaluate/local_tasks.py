"""Tasks for mteb that need no network: made from collections at hand or from words of our own.

Import this only where mteb is installed.
"""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from datasets import Dataset
from mteb._evaluators.retrieval_metrics import evaluate_p_mrr_change
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

Run = dict[str, dict[str, float]]


def metadata(name: str, **changes: Any) -> TaskMetadata:
    """What mteb wants to know about any task."""
    facts: dict[str, Any] = {
        "name": name,
        "description": "A local task.",
        "dataset": {"path": f"local/{name}", "revision": "1"},
        "type": "Retrieval",
        "category": "t2t",
        "modalities": ["text"],
        "eval_splits": ["test"],
        "eval_langs": ["eng-Latn"],
        "main_score": "ndcg_at_10",
        **changes,
    }
    return TaskMetadata(**facts)


def split(
    corpus: list[dict[str, str]], queries: list[dict[str, str]], qrels: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """The data of one split, as AbsTaskRetrieval keeps them."""
    return {
        "corpus": Dataset.from_list(corpus),
        "queries": Dataset.from_list(queries),
        "relevant_docs": qrels,
        "top_ranked": None,
    }


class BeirTask(AbsTaskRetrieval):
    """The first queries of a BEIR folder; the corpus is all of it, or what those queries need and some more."""

    metadata = metadata("LocalBeir")
    folder: Path
    queries_wanted = 24
    corpus_wanted = 300

    def load_data(self, **_unused: Any) -> None:
        if self.data_loaded:
            return
        lines = (self.folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
        qrels: dict[str, dict[str, int]] = {}
        for query, document, grade in (line.split("\t") for line in lines):
            qrels.setdefault(query, {})[document] = int(grade)
        queries = [row for row in _rows(self.folder / "queries.jsonl") if row["id"] in qrels]
        queries = queries[: self.queries_wanted]
        qrels = {row["id"]: qrels[row["id"]] for row in queries}
        needed = {document for found in qrels.values() for document in found}
        corpus = sorted(_rows(self.folder / "corpus.jsonl"), key=lambda row: row["id"] not in needed)
        self.dataset = {"default": {"test": split(corpus[: self.corpus_wanted], queries, qrels)}}
        self.data_loaded = True


class InstructionTask(AbsTaskRetrieval):
    """Two queries, each with an instruction and with a changed one that makes some documents irrelevant."""

    metadata = metadata("LocalInstruction", type="InstructionReranking", main_score="p-MRR")
    changed = {"bridge": ["b1", "b2"], "tea": ["t2"]}  # noqa: RUF012 (as mteb's tasks do)

    def load_data(self, **_unused: Any) -> None:
        if self.data_loaded:
            return
        corpus = [{"id": name, "text": text, "title": ""} for name, text in DOCUMENTS.items()]
        queries = [{"id": name, "text": text, "instruction": more} for name, text, more in QUERIES]
        qrels = {
            "bridge-og": {"b1": 1, "b2": 1, "b3": 1},
            "bridge-changed": {"b1": 0, "b2": 0, "b3": 1},
            "tea-og": {"t1": 1, "t2": 1},
            "tea-changed": {"t1": 1, "t2": 0},
        }
        self.dataset = {"default": {"test": split(corpus, queries, qrels)}}
        self.data_loaded = True

    def task_specific_scores(
        self, scores: Any, qrels: Any, results: Any, hf_split: str, hf_subset: str
    ) -> dict[str, Any]:
        return dict(evaluate_p_mrr_change(qrels, results, self.changed, self.k_values))


DOCUMENTS = {
    "b1": "The old stone bridge over the river was built by monks in the twelfth century.",
    "b2": "The wooden bridge in the village was built by farmers and burned down twice.",
    "b3": "The steel bridge at the harbour was built by engineers in 1931 and carries two railway tracks.",
    "t1": "Green tea is steamed soon after it is picked, and brewed with water that does not boil.",
    "t2": "Black tea is left to wither and oxidise, and brewed with boiling water.",
    "x1": "The library opens at nine and closes at six, except on Sundays.",
    "x2": "Bread dough rises faster in a warm kitchen.",
}
QUERIES = (
    ("bridge-og", "how was the bridge built", "Any bridge counts."),
    ("bridge-changed", "how was the bridge built", "Only bridges of steel count, not of stone or wood."),
    ("tea-og", "how to brew tea", "Any kind of tea counts."),
    ("tea-changed", "how to brew tea", "Only green tea counts, black tea does not."),
)


def bm25(task: AbsTaskRetrieval, count: int) -> Run:
    """The best `count` documents of each query by BM25 (k1 1.2, b 0.75) over lower-case words."""
    task.load_data()
    data = task.dataset["default"]["test"]
    documents = {row["id"]: Counter(_words(row["text"])) for row in data["corpus"]}
    mean = sum(sum(words.values()) for words in documents.values()) / len(documents)
    holding = Counter(word for words in documents.values() for word in words)
    rarity = {word: math.log(1 + (len(documents) - n + 0.5) / (n + 0.5)) for word, n in holding.items()}

    def score(query: list[str], words: Counter[str]) -> float:
        norm = 1.2 * (0.25 + 0.75 * sum(words.values()) / mean)
        return sum(rarity[word] * words[word] * 2.2 / (words[word] + norm) for word in query if words[word])

    run: Run = {}
    for row in data["queries"]:
        found = {name: score(_words(row["text"]), words) for name, words in documents.items()}
        best = sorted(found, key=lambda name: found[name], reverse=True)[:count]
        run[row["id"]] = {name: found[name] for name in best}
    return run


def write_predictions(folder: Path, task: AbsTaskRetrieval, run: Run) -> Path:
    """The run as mteb.evaluate(prediction_folder=folder) would have written it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{task.metadata.name}_predictions.json"
    model = {"model_name": "local/bm25", "revision": "1"}
    path.write_text(json.dumps({"mteb_model_meta": model, "default": {"test": run}}), encoding="utf-8")
    return path


def _rows(path: Path) -> list[dict[str, str]]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line)
    return [{"id": row["_id"], "text": row["text"], "title": row.get("title", "")} for row in rows]


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
