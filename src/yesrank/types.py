"""What passes between the stages: frozen dataclasses that import nothing of ours."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int32]
Progress = Callable[[int], None]
"""Called with the number of items finished since the last call."""
_SHOWN, _WIDTH = 10, 60  # hits and characters of a document that a repr shows


class Ids:
    """Token ids, four bytes each, that never change: compared and hashed as a whole, cheap to share and to keep."""

    __slots__ = ("__weakref__", "_raw")

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._raw = np.fromiter(ids, np.int32).tobytes()

    @property
    def array(self) -> IdArray:
        """int32 [len], read-only, without a copy."""
        return np.frombuffer(self._raw, np.int32)

    def __len__(self) -> int:
        return len(self._raw) // 4

    def __iter__(self) -> Iterator[int]:
        return iter(self.array.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and (self._raw is other._raw or self._raw == other._raw)

    def __hash__(self) -> int:
        return hash(self._raw)  # computed once: bytes remember theirs

    def __repr__(self) -> str:
        return f"Ids({self.array.tolist()})"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One query and one document as token ids: the prefix, then its own.

    prefix: the ids that are the same for every document of the request (system, instruction, query), one object for
    all of them, so that a request holds them once and an engine may compute them once. own: the document's ids and
    the suffix, one at least. truncated: whether the document was cut to fit; prompts of the same ids are equal
    whether cut or not.
    """

    prefix: Ids
    own: Ids
    truncated: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, ids: Sequence[int], shared: int = 0, truncated: bool = False) -> "Prompt":
        """From the whole sequence; the first `shared` ids, but never the last one, are the prefix."""
        shared = min(shared, len(ids) - 1) if ids else 0
        return cls(Ids(ids[:shared]), Ids(ids[shared:]), truncated)

    @property
    def ids(self) -> tuple[int, ...]:
        """The whole sequence, prefix to suffix, put together anew at each call."""
        return (*self.prefix, *self.own)

    @property
    def shared(self) -> int:
        """How many leading ids are the prefix."""
        return len(self.prefix)

    def part(self, start: int, stop: int) -> IdArray:
        """The ids start..stop: int32 [stop - start]."""
        shared = len(self.prefix)
        if start >= shared:
            return self.own.array[start - shared : stop - shared]
        return np.concatenate([self.prefix.array[start:stop], self.own.array[: max(0, stop - shared)]])

    def __len__(self) -> int:
        return len(self.prefix) + len(self.own)


@dataclass(frozen=True, slots=True, repr=False)
class Hit:
    """One ranked document. index: its position in the request; logit: yes minus no; score: sigmoid(logit).

    document: the text that was judged. given: the document as the caller gave it, a string or a dict.
    passage: (start, end) in characters of the text, where the window lies that the score is of; None where the
    document was judged as a whole, or cut.
    """

    index: int
    score: float
    logit: float
    truncated: bool
    document: str
    given: Any = field(default=None, compare=False)
    passage: tuple[int, int] | None = None

    def __repr__(self) -> str:
        cut = ", truncated" if self.truncated else ""
        return f"Hit(index={self.index}, score={self.score:.3f}, logit={self.logit:+.2f}{cut}, {_short(self.document)})"


@dataclass(frozen=True, slots=True, repr=False)
class Ranking:
    """Hits in descending order of logit (ties keep the request's order). tokens: prompt tokens scored."""

    hits: tuple[Hit, ...]
    tokens: int

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, position: int) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Hit, ...]: ...

    def __getitem__(self, position: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[position]

    def __repr__(self) -> str:
        lines = [f"  {hit!r}," for hit in self.hits[:_SHOWN]]
        more = [f"  ... {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        head = f"Ranking({len(self)} hits, {self.tokens} tokens"
        return "\n".join([f"{head}:", *lines, *more, ")"]) if lines else f"{head})"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine runs, as shown by `doctor`, `inspect` and `bench`.

    engine: reference, openvino-paged or openvino-stateful. precision: the arithmetic and weights that are really in
    use. weights_bytes: size of the weights in memory. note: anything a user should know. variant: of ONNX files,
    which file it is. weights: how they are stored, where the engine knows. labels: how many answers a graph's own
    head has, where that is not a vocabulary.
    """

    engine: str
    device: str
    precision: str
    hidden_size: int
    layers: int
    weights_bytes: int
    note: str = ""
    variant: str = ""
    weights: str = ""
    labels: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PairScores:
    """Scored pairs in the order given. scores, logits: float32 [N]; truncated: which documents were cut.

    As a sequence, and for numpy, it is its scores.
    """

    scores: FloatArray
    logits: FloatArray
    truncated: tuple[bool, ...]
    tokens: int

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[float]:
        return iter(self.scores.tolist())

    @overload
    def __getitem__(self, position: int) -> float: ...

    @overload
    def __getitem__(self, position: slice) -> FloatArray: ...

    def __getitem__(self, position: int | slice) -> float | FloatArray:
        found = self.scores[position]
        return found if isinstance(found, np.ndarray) else float(found)

    def numpy(self) -> FloatArray:
        """The scores, float32 [N], an array of its own."""
        return self.scores.copy()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.scores, dtype, copy=copy)

    def __repr__(self) -> str:
        some = ", ".join(f"{score:.3f}" for score in self.scores[:_SHOWN].tolist())
        return f"PairScores({len(self)} pairs: {some}{', ...' if len(self) > _SHOWN else ''})"


def _short(text: str) -> str:
    return repr(text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…")
