"""What reading gives, and what may be asked of it."""

from dataclasses import dataclass

from yesrank.errors import InputError

FORMATS = ("text", "markdown", "json", "jsonl", "csv", "tsv")
SPLITS = ("lines", "paragraphs", "whole")


@dataclass(frozen=True, slots=True)
class Passage:
    """A document as read: its text, its id where the source has one, and where it stood, such as notes/a.txt:3."""

    text: str
    id: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """format: one of FORMATS, whatever name and content say. field: the member or column that holds the text, or the
    number of a column, counted from 1, where the first row holds no names. split: one of SPLITS, of plain text and
    Markdown; None for lines of text and whole Markdown files. most: documents that a source may hold; set for sources
    of strangers, whose reading then takes memory in proportion to them and to the source's size.
    """

    format: str | None = None
    field: str | None = None
    split: str | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        """Raises InputError, which names the field."""
        for name, value, known in (("format", self.format, FORMATS), ("split", self.split, SPLITS)):
            if value is not None and value not in known:
                raise InputError(name, f"{value!r} is not known", f"use one of: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Part:
    """What one source held. what: how it was read, such as "JSONL, field text". notes: what is odd about it."""

    passages: tuple[Passage, ...]
    what: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """All documents in their order. what: one line that says how they were read. notes: what is odd.

    several: whether they come from more than one source, so that a place tells more than a position.
    """

    passages: tuple[Passage, ...]
    what: str
    notes: tuple[str, ...] = ()
    several: bool = False


def bad(message: str, hint: str | None = None) -> InputError:
    """The error about documents."""
    return InputError("documents", message, hint)


def counted(number: int, singular: str) -> str:
    """1 document, 2 documents."""
    return f"{number:,} {singular}" if number == 1 else f"{number:,} {singular}s"
