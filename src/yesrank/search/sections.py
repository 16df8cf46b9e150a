"""What readers give: the text of a file in sections, each with the place it has there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading.

    heading: titles from the outermost to its own. line: of the file, counted from 1, where the text begins; None where
    the file has no lines that a person sees. page: of the file, counted from 1. id: of the record it stands in.
    verbatim: line breaks mean something in it, as they do in source code.
    """

    text: str
    heading: tuple[str, ...] = ()
    line: int | None = None
    page: int | None = None
    id: str | None = None
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Extract:
    """What a file holds. kind: what it was read as, such as "markdown". notes: what is odd about it."""

    kind: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
