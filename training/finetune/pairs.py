"""Training pairs from JSONL files and BEIR folders, in the forms that people have.

| form | fields |
|---|---|
| pairs | ``query``, ``positive``, optional ``negatives`` or ``negative``, optional ``instruction`` |
| sentence-transformers | ``anchor``, ``positive``, ``negative`` or ``negative_1``, ``negative_2``, ... |
| FlagEmbedding | ``query``, ``pos``, ``neg``, optional ``prompt`` |
| Tevatron | ``query``, ``positive_passages``, ``negative_passages`` |
| scored | ``query``, ``document``, ``label``: one judged document a line |
| BEIR | a folder with corpus, queries and qrels |

A text is a string or an object with ``text`` and perhaps ``title``. Other fields are ignored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yesrank.errors import InputError
from yesrank.evaluate.collection import read_folder
from yesrank.evaluate.lines import read_lines

_QUERY = ("query", "anchor", "question")
_POSITIVE = ("positive", "positives", "pos", "positive_passages")
_NEGATIVE = ("negatives", "negative", "neg", "negative_passages")
_NUMBERED = re.compile(r"negative_\d+")
_DOCUMENT = ("document", "passage", "text")
_LABEL = ("label", "score", "relevance")
_BODY = ("document", "contents", "passage")
_INSTRUCTION = ("instruction", "prompt")
_FORM = (
    'write lines such as {"query": "...", "positive": "...", "negatives": ["..."]} '
    'or {"query": "...", "document": "...", "label": 1}'
)


@dataclass(slots=True)
class Line:
    """A query with what is known to answer it and what is known not to. where: file and line, for messages."""

    query: str
    instruction: str | None
    positives: list[str]
    negatives: list[str]
    where: str


@dataclass(slots=True)
class Source:
    """What was read. corpus: further documents (of BEIR folders). notes: what is odd, with counts."""

    lines: list[Line] = field(default_factory=list)
    corpus: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_sources(paths: Sequence[Path], *, split: str = "train", positive_from: float = 0.5) -> Source:
    """All pairs of all files and folders, in their order.

    split: the judgments of a BEIR folder to use. positive_from: the lowest label that means relevant.
    Raises InputError, naming file and line.
    """
    source = Source()
    for path in paths:
        if path.is_dir():
            _add_collection(source, path, split)
        else:
            _add_file(source, path, positive_from)
    barren = [line for line in source.lines if not line.positives]
    if barren:
        source.lines = [line for line in source.lines if line.positives]
        source.notes.append(f"pairs: {len(barren)} queries have no relevant document and are left out")
    if not source.lines:
        names = ", ".join(map(str, paths))
        raise InputError("pairs", f"{names}: no query with a relevant document", _FORM)
    return source


def read_corpus(path: Path) -> list[str]:
    """The documents of a JSONL file: strings, or objects with text and perhaps title; empty ones are left out.

    Raises InputError, naming file and line.
    """
    texts = [_body(value, f"{path}, line {number}") for number, value in _values(path, "corpus")]
    if not any(text.strip() for text in texts):
        raise InputError("corpus", f"{path} is empty", 'write lines such as {"title": "...", "text": "..."}')
    return [text for text in texts if text.strip()]


def _add_collection(source: Source, folder: Path, split: str) -> None:
    """Judged documents of grade 1 or more are positives, those of grade 0 or less negatives."""
    collection = read_folder(folder, split)
    source.notes += collection.notes
    source.corpus += [text for text in collection.documents.values() if text.strip()]
    for query, row in collection.qrels.items():
        judged = [(collection.documents.get(name, ""), grade) for name, grade in row.items()]
        relevant = [text for text, grade in judged if grade >= 1 and text.strip()]
        others = [text for text, grade in judged if grade < 1 and text.strip()]
        place = f"{folder}, query {query}"
        source.lines.append(Line(collection.queries[query], None, relevant, others, place))


def _add_file(source: Source, path: Path, positive_from: float) -> None:
    scored: dict[tuple[str, str | None], Line] = {}
    empty = True
    for number, value in _values(path, "pairs"):
        empty = False
        place = f"{path}, line {number}"
        if not isinstance(value, Mapping):
            raise InputError("pairs", f"{place} is not a JSON object", _FORM)
        query = _text(_one(value, _QUERY, place), "pairs", place, "the query")
        instruction = _instruction(value, place)
        if any(name in value for name in _POSITIVE):
            source.lines.append(_pair(value, query, instruction, place))
            continue
        known = scored.get((query, instruction))
        if known is None:
            known = scored[query, instruction] = Line(query, instruction, [], [], place)
            source.lines.append(known)
        text, label = _judged(value, place)
        (known.positives if label >= positive_from else known.negatives).append(text)
    if empty:
        raise InputError("pairs", f"{path} is empty", _FORM)


def _pair(value: Mapping[str, Any], query: str, instruction: str | None, place: str) -> Line:
    positives = _texts((value[name] for name in _POSITIVE if name in value), place, "the positive")
    numbered = sorted((name for name in value if _NUMBERED.fullmatch(name)), key=lambda name: int(name[9:]))
    given = [value[name] for name in (*_NEGATIVE, *numbered) if value.get(name) is not None]
    if not positives:
        raise InputError("pairs", f"{place} has no positive", _FORM)
    return Line(query, instruction, positives, _texts(given, place, "a negative"), place)


def _judged(value: Mapping[str, Any], place: str) -> tuple[str, float]:
    if not any(name in value for name in _DOCUMENT):
        has = ", ".join(map(repr, value))
        raise InputError("pairs", f"{place} has neither 'positive' nor 'document'; it has {has}", _FORM)
    text = _text(_one(value, _DOCUMENT, place), "pairs", place, "the document")
    label = _one(value, _LABEL, place)
    if not isinstance(label, int | float) or math.isnan(label):  # true and false count as 1 and 0
        raise InputError("pairs", f"{place}: the label is {label!r}, not a number", _FORM)
    return text, float(label)


def _one(value: Mapping[str, Any], names: tuple[str, ...], place: str) -> Any:
    for name in names:
        if name in value:
            return value[name]
    has = ", ".join(map(repr, value)) or "nothing"
    raise InputError("pairs", f"{place} has no {names[0]!r}; it has {has}", _FORM)


def _instruction(value: Mapping[str, Any], place: str) -> str | None:
    found = next((value[name] for name in _INSTRUCTION if value.get(name) is not None), None)
    if found is not None and not isinstance(found, str):
        raise InputError("pairs", f"{place}: the instruction is not a string", _FORM)
    return found


def _texts(values: Iterable[Any], place: str, what: str) -> list[str]:
    found = []
    for value in values:
        found += [
            _text(each, "pairs", place, what) for each in (value if isinstance(value, list) else [value])
        ]
    return found


def _text(value: Any, where: str, place: str, what: str) -> str:
    text = _joined(value)
    if text is None:
        raise InputError(where, f"{place}: {what} is not a text", "write a string, or an object with text")
    if not text.strip():
        raise InputError(where, f"{place}: {what} is empty", "remove the line, or fill it in")
    return text


def _body(value: Any, place: str) -> str:
    text = _joined(value)
    if text is None and isinstance(value, Mapping):
        name = next((name for name in _BODY if isinstance(value.get(name), str)), None)
        text = _joined({**value, "text": value[name]}) if name else None
    if text is None:
        raise InputError("corpus", f"{place} has no text", 'write it as "text"')
    return text


def _joined(value: Any) -> str | None:
    """A string as it is; title, a space and text of an object; None for anything else."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        title = value.get("title")
        return f"{title} {value['text']}".strip() if isinstance(title, str) else str(value["text"])
    return value if isinstance(value, str) else None


def _values(path: Path, name: str) -> Iterator[tuple[int, Any]]:
    for number, line in read_lines(path, name):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                name, f"{path}, line {number} is not JSON: {error}", "write one JSON object a line"
            ) from None
