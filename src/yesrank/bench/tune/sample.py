"""The texts that profiles are measured on: the user's own requests, documents or collection, or made-up ones."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yesrank.bench.documents import synthetic_documents, synthetic_query
from yesrank.documents import read
from yesrank.errors import InputError
from yesrank.evaluate import Collection, FirstStage
from yesrank.evaluate.lines import read_lines
from yesrank.evaluate.trec import Qrels, top
from yesrank.rendered import plain

_WORDS = 120
_SHAPE = 'write lines such as {"query": "...", "documents": ["...", "..."]}'


@dataclass(frozen=True, slots=True)
class Request:
    """One query and its documents. name, ids: in the collection that they are of; empty where they are of none."""

    query: str
    documents: tuple[str, ...]
    instruction: str | None = None
    name: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """what: one line for a person. qrels: of the requests' queries, where there are judgments. notes: what is odd."""

    requests: tuple[Request, ...]
    what: str
    qrels: Qrels | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InputError where no request has two documents: then there is no order to compare."""
        if all(len(each.documents) < 2 for each in self.requests):
            raise InputError(
                "sample",
                "no query has two documents, so that there is no order",
                "give more, or --documents 2",
            )

    @property
    def documents(self) -> int:
        """How many there are in all."""
        return sum(len(request.documents) for request in self.requests)


def made_up(documents: int, words: int = _WORDS) -> Sample:
    """One query and documents of plain words, the same on every machine."""
    request = Request(synthetic_query(1), tuple(synthetic_documents(documents, words, seed=1)))
    return Sample((request,), f"1 made-up query, {documents} made-up documents of about {words} words")


def of_file(path: Path, documents: int, query: str | None = None) -> Sample:
    """Requests, or documents alone, at most so many documents of them. Raises InputError, naming the line.

    Requests: JSON lines with query, documents and perhaps instruction, as the server takes them; the first ones are
    taken. Anything else is read as `yesrank rerank` reads documents; a query is made up for them where none is given.
    """
    first = None if path.is_dir() else next(_values(path), None)
    if first is not None and "query" in first[1]:
        if query is not None:
            raise InputError("query", f"{path} holds requests, which bring their own", "leave --query out")
        return _of_requests(path, documents)
    if query is not None and not query.strip():
        raise InputError("query", "it is empty", "leave it out, and one is made up")
    reading = read([str(path)], only="file", stdin=lambda: b"")
    texts = [passage.text for passage in reading.passages]
    taken = _spread(texts, documents)
    asked = synthetic_query(1) if query is None else query
    what = f"{'1 made-up query' if query is None else '1 query'}, {len(taken)} of {reading.what} of {path}"
    return Sample((Request(asked, taken),), what, notes=reading.notes)


def of_collection(collection: Collection, first: FirstStage, documents: int, top_k: int) -> Sample:
    """The best `top_k` candidates of as many of the first judged queries as give so many documents."""
    requests: list[Request] = []
    left = documents
    for name in collection.qrels:
        ids = tuple(top(first.run.get(name, {}), top_k))
        if not ids:
            continue
        if requests and len(ids) > left:
            break
        texts = tuple(collection.documents[each] for each in ids)
        told = collection.instructions.get(name)
        requests.append(Request(collection.queries[name], texts, told, name, ids))
        left -= len(ids)
    count = sum(len(request.documents) for request in requests)
    what = (
        f"{len(requests)} of {len(collection.qrels)} judged queries of {collection.name}, "
        f"{count} documents, the best {top_k} of {first.name}"
    )
    judged = {request.name: collection.qrels[request.name] for request in requests}
    return Sample(tuple(requests), what, judged, (*collection.notes, *first.notes))


def _of_requests(path: Path, documents: int) -> Sample:
    requests: list[Request] = []
    notes: dict[str, None] = {}
    left = documents
    for where, record in _values(path):
        if left <= 0:
            break
        request, told = _request(record, where)
        notes |= dict.fromkeys(told)
        taken = _spread(request.documents, left)
        if taken:
            requests.append(Request(request.query, taken, request.instruction))
            left -= len(taken)
    count = documents - left
    queries = "1 query" if len(requests) == 1 else f"{len(requests)} queries"
    return Sample(tuple(requests), f"{queries}, {count} documents of {path}", notes=tuple(notes))


def _request(record: Mapping[str, object], where: str) -> tuple[Request, tuple[str, ...]]:
    """A request as the server would read it, and what there is to tell of it."""
    query, told = record.get("query"), record.get("instruction")
    given = record.get("documents")
    if (
        not isinstance(query, str)
        or not query.strip()
        or not isinstance(given, list)
        or not isinstance(told, str | None)
    ):
        raise InputError("sample", f"{where} is no request: a query and a list of documents", _SHAPE)
    texts = [each.get("text") if isinstance(each, dict) else each for each in given]
    documents = [each for each in texts if isinstance(each, str)]
    if len(documents) < len(texts):
        raise InputError("sample", f"{where}: a document is neither a string nor has a text", _SHAPE)
    try:
        found = plain([query], documents, instruction=told)
    except InputError as error:
        raise InputError("sample", f"{where}: {error.message}", error.hint) from None
    return Request(found.queries[0], found.documents, found.instructions[0] or told), found.notes


def _values(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(place, object) of each line, as long as lines are JSON objects. Raises InputError after a request."""
    requests = False
    for number, line in read_lines(path, "sample"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            if requests:
                raise InputError("sample", f"{path}, line {number} is not a JSON object", _SHAPE)
            return
        requests = requests or "query" in value
        yield f"{path}, line {number}", value


def _spread(texts: Sequence[str], count: int) -> tuple[str, ...]:
    """At most so many, evenly over all of them."""
    if len(texts) <= count:
        return tuple(texts)
    return tuple(texts[int((step + 0.5) * len(texts) / count)] for step in range(count))
