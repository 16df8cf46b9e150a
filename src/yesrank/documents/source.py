"""The bytes of one source -> passages, by what its name, else its content, says that it is."""

from pathlib import PurePath

from yesrank.documents.bounds import within
from yesrank.documents.content import text_of
from yesrank.documents.passages import Options, Part
from yesrank.documents.tables import read_table, seems_table
from yesrank.documents.texts import lines, read_text
from yesrank.documents.values import is_value, read_json

BY_ENDING = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}


def read_source(data: bytes, name: str, options: Options | None = None) -> Part:
    """name: of a file, for its ending and for messages. Raises InputError for what cannot be read as documents."""
    options = options or Options()
    text = text_of(data, name, html=options.format in ("text", "markdown"))
    kind = options.format or BY_ENDING.get(PurePath(name).suffix.lower())
    notes: tuple[str, ...] = ()
    if kind is None:
        kind, notes = _by_content(text, name, options)
    elif kind == "text" and options.format is None and _all_records(text, name, options):
        notes = (f"{name}: every line is a JSON object, and is ranked as it stands; else: --format jsonl",)
    part = _read(text, name, kind, options)
    return Part(part.passages, part.what, (*notes, *part.notes))


def _read(text: str, name: str, kind: str, options: Options) -> Part:
    if kind in ("json", "jsonl"):
        return read_json(text, name, options, a_line=kind == "jsonl") if text.strip() else Part((), "empty")
    if kind in ("csv", "tsv"):
        return read_table(text, name, options, delimiter="\t" if kind == "tsv" else None)
    return read_text(text, name, options, markdown=kind == "markdown")


def _by_content(text: str, name: str, options: Options) -> tuple[str, tuple[str, ...]]:
    """What a text without a telling name is: JSON where it begins as JSON only does, a table by its row of names.

    Text may begin with a bracket or a quotation mark, too: [1] Smith et al., {name} is ..., "Yes," she said.
    """
    start = "".join(text[:200].split())[:2]
    if start[:1] == "[":
        return ("json", ()) if start[1:] in ('"', "{", "[", "]") or is_value(text) else ("text", ())
    if start[:1] == "{":
        return ("json", ()) if start[1:] in ('"', "}") else ("text", ())
    if start[:1] == '"':
        wrong = next(
            (number for number, line in within(lines(text), name, options) if not is_value(line)), None
        )
        if wrong is None:
            return "jsonl", ()
        if wrong > next(lines(text))[0] and not seems_table(text):
            return "text", (f"{name}: line {wrong} is not JSON, so that all of it is read as text",)
    return ("csv" if seems_table(text) else "text"), ()


def _all_records(text: str, name: str, options: Options) -> bool:
    found = False
    for _, line in within(lines(text), name, options):
        found = line.lstrip().startswith("{") and is_value(line)
        if not found:
            break
    return found
