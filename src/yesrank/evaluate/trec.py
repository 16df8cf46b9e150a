"""TREC's file formats: judgments (also BEIR's three columns) and runs."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from yesrank.errors import InputError
from yesrank.evaluate.lines import read_lines

Qrels = Mapping[str, Mapping[str, int]]
"""Grade by query id, then document id. 1 and more is relevant."""
Run = Mapping[str, Mapping[str, float]]
"""Score by query id, then document id. More is better."""

_BEIR, _TREC = 3, 4
_QRELS_FORM = "write query-id TAB corpus-id TAB score (BEIR), or query 0 document grade (TREC)"
_RUN_FORM = "write: query Q0 document rank score tag"


def read_qrels(path: Path) -> tuple[Qrels, tuple[str, ...]]:
    """(judgments, notes) of a BEIR or TREC file. Raises InputError, naming the line."""
    found: dict[str, dict[str, int]] = {}
    repeated = 0
    for number, line in read_lines(path, "qrels"):
        fields = line.split("\t") if "\t" in line else line.split()
        if number == 1 and len(fields) == _BEIR and not _is_number(fields[2]):
            continue  # BEIR's header
        query, document, grade = _judgment(fields, path, number)
        row = found.setdefault(query, {})
        if row.get(document, grade) != grade:
            raise InputError(
                "qrels",
                f"{path}, line {number} judges {document!r} for {query!r} again, differently",
                "keep one judgment of each pair",
            )
        repeated += document in row
        row[document] = grade
    if not found:
        raise InputError("qrels", f"{path} is empty", _QRELS_FORM)
    return found, ((f"qrels: {repeated} lines repeat a judgment; each counts once",) if repeated else ())


def read_run(path: Path) -> Run:
    """A TREC run. The rank column is not read: the order is that of the scores, as in trec_eval.

    Raises InputError for a broken line, a score that is no number, and a document named twice for a query.
    """
    found: dict[str, dict[str, float]] = {}
    for number, line in read_lines(path, "run"):
        fields = line.split()
        if len(fields) not in (5, 6) or not _is_number(fields[4]) or not math.isfinite(float(fields[4])):
            raise InputError("run", f"{path}, line {number} is not a line of a TREC run", _RUN_FORM)
        row = found.setdefault(fields[0], {})
        if fields[2] in row:
            raise InputError(
                "run",
                f"{path}, line {number} names {fields[2]!r} twice for {fields[0]!r}",
                "keep one of them",
            )
        row[fields[2]] = float(fields[4])
    if not found:
        raise InputError("run", f"{path} is empty", _RUN_FORM)
    return found


def write_run(path: Path, run: Run, tag: str) -> None:
    """Writes a TREC run, best first. Scores have nine digits: a float32 survives the way there and back.

    Raises InputError for an id with white space, which this format cannot hold.
    """
    for name in (*run, *ids(run.values())):
        if len(name.split()) != 1:
            raise InputError(
                "save-run", f"the id {name!r} has white space", "a TREC run cannot hold it: use --json"
            )
    label = "-".join(tag.split()) or "yesrank"
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for query, scores in run.items():
            for rank, document in enumerate(ranked(scores), start=1):
                file.write(f"{query} Q0 {document} {rank} {np.float32(scores[document]):.9g} {label}\n")


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Document ids, best first. Ties by id, the later one first: trec_eval's rule, on its float32 scores."""
    by_id = sorted(scores, reverse=True)
    return sorted(by_id, key=lambda document: -float(np.float32(scores[document])))


def top(scores: Mapping[str, float], count: int) -> dict[str, float]:
    """The best `count` documents and their scores, best first."""
    return {document: scores[document] for document in ranked(scores)[:count]}


def ids(rows: Iterable[Mapping[str, float]]) -> set[str]:
    """Every document that is named."""
    return {document for row in rows for document in row}


def _judgment(fields: list[str], path: Path, number: int) -> tuple[str, str, int]:
    if len(fields) == _TREC:
        fields = [fields[0], fields[2], fields[3]]
    if len(fields) != _BEIR or not _is_number(fields[2]) or not float(fields[2]).is_integer():
        raise InputError("qrels", f"{path}, line {number} is not a judgment", _QRELS_FORM)
    return fields[0].strip(), fields[1].strip(), int(float(fields[2]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
