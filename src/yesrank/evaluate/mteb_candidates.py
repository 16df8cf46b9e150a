"""The first stage of a benchmark: candidates for mteb's tasks, given as predictions or found by an embedding model."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from yesrank.errors import InputError, YesrankError
from yesrank.evaluate.mteb_model import require_mteb

_T = TypeVar("_T")
Run = dict[str, dict[str, float]]
"""Scores by query id and document id."""


class Candidates:
    """Where the documents to rerank come from.

    source: a folder of TASK_predictions.json as mteb.evaluate(prediction_folder=...) writes them, or the name of an
    embedding model of mteb, which is loaded when the first task asks for it. folder: where its predictions are
    kept; those that are complete are not computed again.
    """

    def __init__(self, source: str | Path, folder: Path) -> None:
        given = Path(source)
        self.given = given.is_dir()
        if not self.given and (
            isinstance(source, Path) or given.exists() or source.startswith((".", "/", "~"))
        ):
            raise InputError(
                "first stage",
                f"{source} is not a folder",
                "give a folder of TASK_predictions.json, or the name of an embedding model of mteb",
            )
        self.name = str(source)
        self._folder = given if self.given else folder / self.name.replace("/", "__")
        self._encoder: Any = None

    def predictions(self, task: Any) -> Path:
        """The file with the candidates of a loaded task. Raises InputError where a given one does not fit the task."""
        path = self._folder / f"{task.metadata.name}_predictions.json"
        if self.given:
            problem = _problem(path, task)
            if problem:
                raise InputError(
                    "first stage", f"{path} {problem}", f"it must hold the splits {_wanted(task)}"
                )
        elif _problem(path, task):
            path.unlink(missing_ok=True)
            self._encode(task)
        return path

    def _encode(self, task: Any) -> None:
        mteb = require_mteb()
        if self._encoder is None:
            self._encoder = reaching(f"the embedding model {self.name}", lambda: mteb.get_model(self.name))
        mteb.evaluate(self._encoder, task, cache=None, prediction_folder=self._folder, co2_tracker=False)


class Replay:
    """Given predictions as a search model of mteb (SearchProtocol), so that it scores them as it scores any model."""

    def __init__(self, path: Path, top_k: int) -> None:
        from mteb.models import ModelMeta

        self._stored = json.loads(path.read_text(encoding="utf-8"))
        self._top_k = top_k
        self.mteb_model_meta = ModelMeta.create_empty(
            {"name": f"predictions/{path.stem}", "revision": "none"}
        )

    def index(self, corpus: Any, **_unused: Any) -> None:
        """Nothing to do: the search is over."""

    def search(self, queries: Any, *, hf_split: str, hf_subset: str, **_unused: Any) -> Run:
        """The stored candidates of each query, the best top_k."""
        stored: Mapping[str, Mapping[str, float]] = self._stored[hf_subset][hf_split]
        return {query: dict(_best(stored.get(query, {}), self._top_k)) for query in queries["id"]}


def reaching(what: str, action: Callable[[], _T]) -> _T:
    """The action's result; where it fails, a YesrankError that names what could not be had.

    Loaders of data sets and models fail in every way there is (network, gated, removed, disk), hence Exception.
    """
    try:
        return action()
    except YesrankError:
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise YesrankError(
            f"{what} cannot be loaded: {type(error).__name__}: {first}",
            "it comes from huggingface.co: run this where that can be reached, or bring a filled cache (HF_HOME)",
        ) from error


def check_candidates(task: Any) -> list[str]:
    """Notes on a task whose candidates are set. Raises InputError for documents that its corpus does not have."""
    notes = []
    for subset, splits in task.dataset.items():
        for split, data in splits.items():
            known = set(data["corpus"]["id"])
            ranked = data["top_ranked"]
            unknown = sum(document not in known for found in ranked.values() for document in found)
            if unknown:
                raise InputError(
                    "first stage",
                    f"{unknown} candidates of {task.metadata.name} ({subset}, {split}) are not in its corpus",
                    "the predictions were made from another revision of the data: make them again",
                )
            judged = (query for query in data["queries"]["id"] if data["relevant_docs"].get(query))
            without = sum(not ranked.get(query) for query in judged)
            if without:
                notes.append(
                    f"{task.metadata.name} ({subset}, {split}): {without} queries have no candidates and count as 0"
                )
    return notes


def digest(path: Path) -> str:
    """A short hash of a file of predictions: results that were made from others are not taken for these."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _problem(path: Path, task: Any) -> str | None:
    if not path.is_file():
        return "does not exist"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return f"is not JSON: {error}"
    if not isinstance(data, dict) or not isinstance(data.get("mteb_model_meta"), dict):
        return 'has no "mteb_model_meta": it is not a file of predictions by mteb 2'
    for subset, splits in task.dataset.items():
        for split in splits:
            if not isinstance((data.get(subset) or {}).get(split), dict):
                return f"has no candidates for subset {subset}, split {split}"
    return None


def _wanted(task: Any) -> str:
    return ", ".join(sorted({split for splits in task.dataset.values() for split in splits}))


def _best(scores: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    # the same order as convert_to_reranking, which keeps the order of equal scores
    return sorted(scores.items(), key=lambda item: item[1], reverse=True)[:count]
