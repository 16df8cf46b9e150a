"""What a caller names -> Template: the name of a known one, a file, or the text of such a file. And a folder's own.

The text of a template is that of a whole prompt, with four places in it:

    {instruction} {query}    in either order
    {document}               behind them, since what stands before a document is computed once for all
    {answer}                 the end: what the model says next is yes or no; white space behind it does not count

Control tokens may stand before the first place and behind the document; in between is text that users write into.
Each part is encoded by itself, as the known ones are: up to the line of the first place (or its last control token);
from there to the document; spaces with the document; the rest. docs/prompts.md.
"""

import re
from hashlib import sha256
from pathlib import Path

from yesrank.errors import InputError, ModelError
from yesrank.prompt import TEMPLATES, Template, template_named

FILE = "template.txt"
"""The text of a folder's own template."""

_OWN = "own-"
_PLACE = re.compile(r"\{(instruction|query|document|answer)\}")
_PLACES = ("instruction", "query", "document", "answer")
_CONTROL = re.compile(r"<\|[^<>|\s]+\|>|</?(?:think|tool_call|tool_response)>")
_JINJA = re.compile(r"\{\{|\{%")
_MOST_BYTES = 1 << 16
_SEE = "docs/prompts.md shows one"


def template_of(value: str | Path) -> Template:
    """The known template of that name, that of a file, or that of a text. Raises InputError."""
    if isinstance(value, str) and value in TEMPLATES:
        return TEMPLATES[value]
    if isinstance(value, str) and ("{document}" in value or "\n" in value):
        return own_template(value)
    path = Path(value).expanduser()
    if not path.exists():
        known = ", ".join(TEMPLATES)
        raise InputError(
            "template", f"{str(value)!r} is not known, nor a file", f"use one of {known}, or a file"
        )
    return own_template(_read(path), str(path))


def own_template(text: str, where: str = "the text") -> Template:
    """The template that a text describes. where: how errors name it. Raises InputError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    _check_places(text, where)
    before, first, between, second, label, _, rest, _, after = _PLACE.split(text)
    if after.strip():
        raise _wrong(where, "has text behind {answer}", "the answer ends the prompt: take it away")
    start = max([before.rfind("\n") + 1, *(found.end() for found in _CONTROL.finditer(before))])
    lead = label[len(label.rstrip(" ")) :]
    head = f"{before[start:]}{{{first}}}{between}{{{second}}}{label.removesuffix(lead)}"
    made = Template("", before[:start], head, rest, lead)
    _check_parts(made, between, label, where)
    return Template(f"{_OWN}{sha256(made.text.encode()).hexdigest()[:12]}", made.prefix, head, rest, lead)


def pieces(head: str) -> list[str]:
    """The head of a template: text, name of a place, text, name, text."""
    return _PLACE.split(head)


def is_own(template: Template) -> bool:
    """Whether it is none of the known ones."""
    return template.name.startswith(_OWN)


def stored(value: str | Path | None) -> str | None:
    """How a name is to remember it: a known name, or the text, for its file may change or go. Raises InputError."""
    if value is None:
        return None
    template = template_of(value)
    return template.text if is_own(template) else template.name


def write_own(folder: Path, template: Template) -> None:
    """Writes folder/template.txt where the template is not a known one."""
    if is_own(template):
        (folder / FILE).write_bytes(template.text.encode())


def folder_template(folder: Path, name: str) -> Template:
    """The template that a folder's manifest names. Raises InputError for an unknown one, ModelError for a bad file."""
    if not name.startswith(_OWN):
        return template_named(name)
    path = folder / FILE
    try:
        found = own_template(_read(path), str(path))
    except InputError as error:
        raise ModelError(error.message, "copy the folder again, or convert the checkpoint again") from error
    if found.name != name:
        raise ModelError(
            f"{path} is not the template that the manifest names", "convert the checkpoint again"
        )
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise _wrong(str(path), f"has more than {_MOST_BYTES} bytes", f"is it a template? {_SEE}")
        return raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _wrong(str(path), f"cannot be read: {what}", f"name a text file; {_SEE}") from error


def _check_places(text: str, where: str) -> None:
    if _JINJA.search(text):
        raise _wrong(
            where, "is a Jinja template", f"write what it makes of a prompt, with places in it; {_SEE}"
        )
    places = _PLACE.findall(text)
    for name in _PLACES:
        if places.count(name) != 1:
            count = "no" if name not in places else f"{places.count(name)} times"
            raise _wrong(
                where, f"has {count} {{{name}}}", f"each of the four places stands there once; {_SEE}"
            )
    if places[2:] != ["document", "answer"]:
        raise _wrong(
            where, "has its places in another order", f"{{document}} and then {{answer}} come last; {_SEE}"
        )


def _check_parts(template: Template, between: str, label: str, where: str) -> None:
    if not between.strip():
        raise _wrong(where, "has nothing between the query and the instruction", f"put a label there; {_SEE}")
    if not template.lead and not label.endswith("\n"):
        raise _wrong(
            where,
            "has its label and {document} without a gap",
            "put a space or the end of a line before it: else the two become one token",
        )
    if not template.suffix.strip():
        raise _wrong(
            where, "has nothing between {document} and {answer}", f"the model's turn begins there; {_SEE}"
        )
    if found := _CONTROL.search(template.head):
        raise _wrong(
            where,
            f"has {found[0]} between its places",
            "control tokens stand before the first place or behind {document}",
        )


def _wrong(where: str, message: str, hint: str) -> InputError:
    return InputError("template", f"{where} {message}", hint)
