"""What the tools do: plain functions with plain results, without the protocol.

The results have no slots: the SDK makes no schema of a dataclass that has, and sends its result as text only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from yesrank.errors import IndexNotFound, InputError
from yesrank.models.reranker import Reranker
from yesrank.search import Asked, Index, Passage, index_names, search
from yesrank.types import FloatArray

_MOST_AROUND, _MOST_DOCUMENTS = 50, 1000


@dataclass(frozen=True)
class PassageResult:
    """A passage of a file. place: for a person, such as notes/a.md:12; number: for read_passage."""

    number: int
    index: str
    path: str
    place: str
    heading: list[str]
    text: str


@dataclass(frozen=True)
class Hit:
    """A passage that answers. score: 0 to 1; best_sentence: the part of its text that answers best."""

    passage: PassageResult
    score: float
    best_sentence: str


@dataclass(frozen=True)
class SearchResult:
    """Passages, best first. judged: how many candidates there were; 0 where no passage has a word of the query."""

    query: str
    index: str
    judged: int
    hits: list[Hit]


@dataclass(frozen=True)
class RankedDocument:
    """A document of a request. index: its position there, from 0; score: 0 to 1; truncated: whether it was cut."""

    index: int
    score: float
    truncated: bool


@dataclass(frozen=True)
class RerankResult:
    """Documents in the order of their scores, best first."""

    query: str
    ranking: list[RankedDocument]


@dataclass(frozen=True)
class ReadResult:
    """Passages that follow each other in one file."""

    path: str
    passages: list[PassageResult]


class Tools:
    """The tools, for several threads. names: the indexes that may be read, none for all that there are.

    open: opens the reranker, at its first use. fused: whether the first stage counts in the order (the built-in model).
    """

    def __init__(self, names: tuple[str, ...], open_reranker: Callable[[], Reranker], *, fused: bool) -> None:
        self._names, self._open, self._fused = names, open_reranker, fused
        self._reranker: Reranker | None = None
        self._lock = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The indexes that may be read now."""
        return self._names or tuple(index_names())

    def search(self, query: str, index: str, top: int, candidates: int) -> SearchResult:
        """Raises YesrankError."""
        asked = Asked(query, top, max(candidates, top), fused=self._fused)
        with self._index(index) as opened:
            answer = search(opened, asked, lambda texts: self._judge(query, texts))
        hits = [
            Hit(_result(found.passage, opened.name), float(found.score or 0.0), found.sentence or "")
            for found in answer.found
        ]
        return SearchResult(query, opened.name, answer.candidates, hits)

    def rerank(self, query: str, documents: list[str], top_n: int, instruction: str) -> RerankResult:
        """Raises YesrankError."""
        if len(documents) > _MOST_DOCUMENTS:
            raise InputError(
                "documents", f"are {len(documents)}, more than {_MOST_DOCUMENTS}", "send fewer at a time"
            )
        ranking = self._model().rank(
            query, documents, instruction=instruction or None, top_n=top_n, as_text=True
        )
        return RerankResult(query, [RankedDocument(hit.index, hit.score, hit.truncated) for hit in ranking])

    def read_passage(self, number: int, index: str, before: int, after: int) -> ReadResult:
        """Raises YesrankError."""
        for name, value in (("before", before), ("after", after)):
            if not 0 <= value <= _MOST_AROUND:
                raise InputError(name, f"must be 0 to {_MOST_AROUND}, not {value}")
        with self._index(index) as opened:
            passage = opened.passage(number)
            around = opened.around(passage, before, after)
        return ReadResult(passage.path, [_result(each, opened.name) for each in around])

    def close(self) -> None:
        """Frees the model."""
        with self._lock:
            if self._reranker is not None:
                self._reranker.close()
                self._reranker = None

    def _index(self, name: str) -> Index:
        names = self.names
        if not names:
            raise IndexNotFound("there is no index yet", "ask the user to make one: yesrank index PATH...")
        if not name and len(names) > 1:
            raise InputError("index", "is missing, and there are several", f"use one of: {', '.join(names)}")
        chosen = name or names[0]
        if chosen not in names:
            raise IndexNotFound(f"there is no index {chosen!r}", f"use one of: {', '.join(names)}")
        return Index(chosen)

    def _judge(self, query: str, texts: list[str]) -> FloatArray:
        return self._model().score([(query, text) for text in texts], as_text=True).logits

    def _model(self) -> Reranker:
        with self._lock:
            if self._reranker is None:
                self._reranker = self._open()
            return self._reranker


def _result(passage: Passage, index: str) -> PassageResult:
    return PassageResult(passage.id, index, passage.path, passage.place, [*passage.heading], passage.text)
