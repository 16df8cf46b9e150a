"""Documents from arguments, files, folders or standard input, and a note that says what they were read as."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from yesrank.cli import output
from yesrank.documents import Options, Reading, read
from yesrank.errors import InputError


class Format(StrEnum):
    """What documents are written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"


class Split(StrEnum):
    """What a document is in plain text and Markdown."""

    LINES = "lines"
    PARAGRAPHS = "paragraphs"
    WHOLE = "whole"


DocumentsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DOC...|FILE...|FOLDER...|-]",
        help="Texts; or files and folders (.txt, .md, .jsonl, .json, .csv, .tsv); or - for standard input.",
        show_default=False,
    ),
]
TextOption = Annotated[
    bool,
    typer.Option(
        "--text", help="Take QUERY and every DOC as the text it is, even where a file has that name."
    ),
]
FileOption = Annotated[bool, typer.Option("--file", help="Take every DOC as a file or folder.")]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="What files are written as, whatever their names and content say."),
]
FieldOption = Annotated[
    str | None,
    typer.Option(
        "--field",
        metavar="NAME|N",
        help="Field or column that holds the text; or the column's number, where no row of names comes first.",
    ),
]
SplitOption = Annotated[
    Split | None,
    typer.Option("--split", help="What a document is in text; else a line, and of Markdown the whole file."),
]


def read_documents(
    arguments: Sequence[str], options: Options, *, text: bool = False, file: bool = False
) -> Reading:
    """The documents that the arguments name; without any, those of standard input. Says on stderr what they are.

    Raises InputError, which names file and line.
    """
    if text and file:
        raise InputError("text", "--text and --file say opposite things", "give one of them")
    only = "text" if text else "file" if file else None
    if not arguments and not sys.stdin.isatty():
        arguments, only = ["-"], None  # no argument is left that could be text
    found = read(arguments, options, stdin=sys.stdin.buffer.read, only=only)
    output.note(found.what, style="dim")
    for each in found.notes:
        output.warn(f"note: {each}", style="yellow")
    return found
