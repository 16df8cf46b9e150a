"""What passes between the stages: frozen dataclasses that import nothing of ours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Progress = Callable[[int], None]
"""Called with the number of items finished since the last call."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One query and one document as token ids.

    ids: the whole sequence, prefix to suffix. shared: how many leading ids are the same for every
    document of the request (system, instruction, query), so that an engine may compute them once.
    truncated: whether the document was cut to fit.
    """

    ids: tuple[int, ...]
    shared: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One ranked document. index: its position in the request; logit: yes minus no; score: sigmoid(logit)."""

    index: int
    score: float
    logit: float
    truncated: bool
    document: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hits in descending order of logit (ties keep the request's order). tokens: prompt tokens scored."""

    hits: tuple[Hit, ...]
    tokens: int

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, position: int) -> Hit:
        return self.hits[position]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine runs, as shown by `doctor`, `inspect` and `bench`.

    engine: reference, openvino-paged or openvino-stateful. precision: the arithmetic and weights that are
    really in use. weights_bytes: size of the weights in memory. note: anything a user should know.
    """

    engine: str
    device: str
    precision: str
    hidden_size: int
    layers: int
    weights_bytes: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class PairScores:
    """Scored pairs in the order given. scores, logits: float32 [N]; truncated: which documents were cut."""

    scores: FloatArray
    logits: FloatArray
    truncated: tuple[bool, ...]
    tokens: int
