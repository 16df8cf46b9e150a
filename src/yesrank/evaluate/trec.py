"""TREC's file formats: judgments (also BEIR's three columns) and runs."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from yesrank.errors import InputError
from yesrank.evaluate.lines import read_lines

Qrels = Mapping[str, Mapping[str, int]]
"""Grade by query id, then document id. 1 and more is relevant."""
Run = Mapping[str, Mapping[str, float]]
"""Score by query id, then document id. More is better."""

_BEIR, _TREC, _RUN = 3, 4, 6
_QUERIES = ("query-id", "query_id", "queryid", "query", "qid", "topic")
_DOCUMENTS = (
    "corpus-id", "corpus_id", "document-id", "document_id", "doc-id", "doc_id", "docid", "docno", "doc", "document",
    "did", "pid",
)  # fmt: skip
_GRADES = ("score", "rel", "relevance", "grade", "label", "rating")
_HIGHEST = 1_000_000
"""trec_eval counts the documents of each grade up to the highest: a column of other numbers would take all memory."""
_MOST = float(np.finfo(np.float32).max)
# ASCII only, as in trec_eval: an id may hold a no-break or an ideographic space
_SPACES = " \t\r\f\v"
_BETWEEN = re.compile(f"[{_SPACES}]+")
_QRELS_FORM = "write query-id TAB corpus-id TAB score (BEIR), or query 0 document grade (TREC)"
_RUN_FORM = "write: query Q0 document rank score tag"


def read_qrels(path: Path) -> tuple[Qrels, tuple[str, ...]]:
    """(judgments, notes) of a BEIR or TREC file. Raises InputError, naming the line."""
    found: dict[str, dict[str, int]] = {}
    repeated = 0
    order: tuple[int, ...] | None = None
    for at, (number, line) in enumerate(read_lines(path, "qrels")):
        fields = _qrels_fields(line, path)
        if at == 0:
            order = _order(fields)
            if order is not None or _is_header(fields):
                order = order or _checked_order(fields, path)
                continue
        query, document, grade = _judgment(fields, path, number, order)
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
    """A TREC run, as `run_and_notes` reads it."""
    return run_and_notes(path)[0]


def run_and_notes(path: Path) -> tuple[Run, tuple[str, ...]]:
    """A TREC run. The order is that of the scores, as in trec_eval; where the ranks say another, a note counts it.

    Where tabs part the columns, ids may hold spaces. Raises InputError for a broken line, a score that is no float32,
    and a document named twice for a query.
    """
    found: dict[str, dict[str, float]] = {}
    first: dict[str, tuple[float, float]] = {}  # by query, the lowest rank and, with a minus, its best score
    for at, (number, line) in enumerate(read_lines(path, "run")):
        fields = line.split("\t") if line.count("\t") >= _RUN - 2 else _columns(line)
        if at == 0 and _is_run_header(fields):
            continue
        if len(fields) not in (_RUN - 1, _RUN):
            raise InputError("run", f"{path}, line {number} is not a line of a TREC run", _RUN_FORM)
        if not _is_number(fields[4]) or not abs(float(fields[4])) <= _MOST:  # not `>`: NaN is no score
            raise InputError(
                "run",
                f"{path}, line {number} is not a line of a TREC run: {fields[4]!r} is no score",
                "write a number that a float32 can hold",
            )
        query, document = fields[0].strip(), fields[2].strip()
        row = found.setdefault(query, {})
        if document in row:
            raise InputError(
                "run", f"{path}, line {number} names {document!r} twice for {query!r}", "keep one of them"
            )
        row[document] = score = float(fields[4])
        if _is_number(fields[3]):
            first[query] = min(first.get(query, (math.inf, math.inf)), (float(fields[3]), -score))
    if not found:
        raise InputError("run", f"{path} is empty", _RUN_FORM)
    others = sum(-score < max(found[query].values()) for query, (_, score) in first.items())
    note = f"run: in {others} of {len(found)} queries the ranks say another order than the scores; the scores count"
    return found, ((f"{note}, as in trec_eval",) if others else ())


def write_run(path: Path, run: Run, tag: str) -> None:
    """Writes a TREC run, as `run_lines` gives it."""
    lines = run_lines(run, tag)
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.writelines(lines)


def run_lines(run: Run, tag: str) -> Iterator[str]:
    """The lines of a TREC run, best first. Scores have nine digits: a float32 survives the way there and back.

    Where an id holds a space, tabs part the columns, which `read_run` and whoever splits at tabs can read. Raises
    InputError, before the first line, for an id that no such file can hold.
    """
    between = "\t" if check_ids(run) else " "
    return _run_lines(run, "-".join(tag.split()) or "yesrank", between)


def check_ids(run: Run) -> bool:
    """Whether an id holds white space, so that a run must be parted by tabs.

    Raises InputError for an id with a tab or the end of a line in it, which a run file cannot hold.
    """
    spaced = False
    for name in (*run, *ids(run.values())):
        if re.search("[\t\n\r\f\v]", name):
            raise InputError(
                "save-run",
                f"the id {name!r} holds a tab or the end of a line",
                "a run file cannot hold it: use --json",
            )
        spaced = spaced or len(name.split()) != 1
    return spaced


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


def _run_lines(run: Run, label: str, between: str) -> Iterator[str]:
    for query, scores in run.items():
        for rank, document in enumerate(ranked(scores), start=1):
            columns = (query, "Q0", document, str(rank), f"{np.float32(scores[document]):.9g}", label)
            yield between.join(columns) + "\n"


def _is_header(fields: list[str]) -> bool:
    """BEIR's first line, or one like it: a word in the place of the grade."""
    word = fields[-1].strip()
    is_word = word != "" and not any(char.isdigit() for char in word) and not _is_number(word)
    return len(fields) in (_BEIR, _TREC) and is_word


def _qrels_fields(line: str, path: Path) -> list[str]:
    if path.name.lower().removesuffix(".gz").endswith(".csv"):
        return next(csv.reader([line]))
    return line.split("\t") if "\t" in line else _columns(line)


def _order(names: list[str]) -> tuple[int, ...] | None:
    """Where query, document and grade stand, where the names of the columns say so."""
    places = _places(names)
    return tuple(found[0] for found in places) if all(len(found) == 1 for found in places) else None


def _checked_order(names: list[str], path: Path) -> tuple[int, ...] | None:
    """None: the usual order. Raises InputError where a name is known and says that the order is another."""
    usual = (0, 1, 2) if len(names) == _BEIR else (0, 2, 3)
    if any(found and at not in found for found, at in zip(_places(names), usual, strict=True)):
        raise InputError(
            "qrels", f"{path}: its first line names columns in an order that is not known", _QRELS_FORM
        )
    return None


def _places(names: list[str]) -> list[list[int]]:
    known = [name.strip().casefold() for name in names]
    return [
        [at for at, name in enumerate(known) if name in wanted] for wanted in (_QUERIES, _DOCUMENTS, _GRADES)
    ]


def _judgment(
    fields: list[str], path: Path, number: int, order: tuple[int, ...] | None = None
) -> tuple[str, str, int]:
    if order is not None and len(fields) in (_BEIR, _TREC) and max(order) < len(fields):
        fields = [fields[at] for at in order]
    elif len(fields) == _TREC:
        fields = [fields[0], fields[2], fields[3]]
    names = [field.strip() for field in fields[:2]]
    if len(fields) != _BEIR or not all(names):
        raise InputError("qrels", f"{path}, line {number} is not a judgment", _QRELS_FORM)
    grade = fields[2].strip()
    if not _is_number(grade) or not float(grade).is_integer() or abs(float(grade)) > _HIGHEST:
        raise InputError(
            "qrels",
            f"{path}, line {number} is not a judgment: {grade!r} is no grade",
            f"write a whole number, at most {_HIGHEST:,}",
        )
    return names[0], names[1], int(float(grade))


def _is_run_header(fields: list[str]) -> bool:
    """A first line of names: query's and document's in their places, and a word for the score."""
    names = [field.strip().casefold() for field in fields]
    return (
        len(names) >= _RUN - 1
        and names[0] in _QUERIES
        and names[2] in _DOCUMENTS
        and not _is_number(names[4])
    )


def _columns(line: str) -> list[str]:
    return _BETWEEN.split(line.strip(_SPACES))


def _is_number(text: str) -> bool:
    """As other programs read it: Python's own 1_0 is none."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
