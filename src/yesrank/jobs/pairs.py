"""What passes between the stages of a job: pairs, partitions of them, and what became of each pair."""

from dataclasses import dataclass

from yesrank.types import FloatArray


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a pair has no score. kind: one word for those who count; message: for those who mend; no text is in it."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Query:
    """One object for all pairs that ask it. text: None where the input holds none."""

    id: str | None
    text: str | None
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of the output.

    row: its place in the output. record, candidate: where it stands in the input: which record, which of its documents,
    counted from 0. document: None where the input holds none. failure: known before any model is asked.
    """

    row: int
    record: int
    candidate: int
    query: Query
    document_id: str | None
    document: str | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """What is computed at once and written at once. digest: SHA-256 of its pairs, texts and all."""

    index: int
    pairs: tuple[Pair, ...]
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What became of a partition's pairs, in their order.

    logits: float32 [N], NaN where there is none. truncated: which documents were cut. failures: by position.
    """

    logits: FloatArray
    truncated: tuple[bool, ...]
    failures: dict[int, Failure]
