"""A form with files (multipart/form-data, RFC 7578) -> the body that it stands for, as if it had come as JSON.

Fields are the body's members. Files under documents, texts, input or passages are read by the one reader of documents,
under query and instruction as text; the fields format, field and split tell the reader what it should not find out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email import message_from_string
from email.message import Message
from email.policy import HTTP
from pathlib import PurePosixPath
from typing import Any

from yesrank.documents import Options, read_source
from yesrank.documents.content import text_of
from yesrank.documents.passages import Part
from yesrank.errors import InputError

KIND = "multipart/form-data"
LISTS = frozenset({"documents", "texts", "input", "passages"})
_TEXTS = frozenset({"query", "instruction", "text_1"})
_READER = ("format", "field", "split")
_MOST_PARTS, _LONGEST_HEAD, _LONGEST_NAME = 1000, 4096, 100
_FLAG = re.compile(r"--(format|field|split) ('[^']*'|\S+)")
"""How the reader's advice names its options."""


@dataclass(frozen=True, slots=True)
class Form:
    """members: the body; notes: how its files were read."""

    members: Mapping[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    file: str | None
    content: bytes


@dataclass(slots=True)
class _Read:
    options: Options
    members: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def is_form(content_type: str) -> bool:
    """Whether a body of this type is one."""
    return content_type.partition(";")[0].strip().lower() == KIND


def read_form(raw: bytes, content_type: str, most: int) -> Form:
    """most: documents that it may hold. Raises InputError, TooMany where there are more."""
    found = [*_fields(raw, content_type)]
    given = {each.name: _text(each) for each in found if each.name in _READER and each.file is None}
    if twice := next((name for name in given if sum(each.name == name for each in found) > 1), None):
        raise InputError(twice, "is given twice", "give it once")
    read = _Read(Options(**{name: text or None for name, text in given.items()}, most=most))
    for each in found:
        if each.name not in given:
            _add(read, each)
    return Form(read.members, tuple(_plain(note) for note in read.notes))


def _add(read: _Read, part: _Field) -> None:
    if part.name in LISTS:
        listed = read.members.setdefault(part.name, [])
        listed += [_text(part)] if part.file is None else _documents(read, part, part.file, len(listed))
        return
    if part.name in read.members:
        raise InputError(part.name, "is given twice", "give it once")
    if part.file is not None and part.name not in _TEXTS:
        raise InputError(part.name, "is a file", f"files go under one of: {', '.join(sorted(LISTS))}")
    read.members[part.name] = _text(part) if part.file is None else text_of(part.content, part.file).strip()


def _documents(read: _Read, part: _Field, name: str, before: int) -> list[dict[str, str]]:
    """A file's documents as objects, with their ids and where they stood."""
    most = max(0, (read.options.most or 0) - before)
    try:
        found: Part = read_source(part.content, name, replace(read.options, most=most))
    except InputError as error:
        message, hint = error.message.removeprefix(f"{error.field}: "), error.hint
        raise type(error)(error.field, _asked(message), hint and _asked(hint)) from None
    number = len(found.passages)
    read.notes += [f"{name}: {number} document{'s' * (number != 1)}, {found.what}", *map(_asked, found.notes)]
    return [
        {
            "text": passage.text,
            **({"id": passage.id} if passage.id is not None else {}),
            **({"source": passage.source} if passage.source is not None else {}),
        }
        for passage in found.passages
    ]


def _fields(raw: bytes, content_type: str) -> list[_Field]:
    head = Message()
    head["Content-Type"] = content_type
    boundary = head.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise InputError("body", "is a form without a boundary", "let the client set the Content-Type")
    mark = b"\r\n--" + boundary.encode()
    data = b"\r\n" + raw
    if data.count(mark) > _MOST_PARTS:
        raise InputError("body", f"is a form of more than {_MOST_PARTS} parts", "send fewer files at a time")
    _, *parts = data.split(mark)
    if not parts or not parts.pop().startswith(b"--"):
        raise InputError("body", "is not a whole form: its last boundary is missing")
    return [_field(part) for part in parts]


def _field(part: bytes) -> _Field:
    head, between, content = part.partition(b"\r\n\r\n")
    if not between or len(head) > _LONGEST_HEAD:
        raise InputError("body", "is a form with a part whose headers do not end")
    found = message_from_string(head.decode("utf-8", "replace").strip(), policy=HTTP)
    name = found.get_param("name", header="Content-Disposition")
    if not isinstance(name, str) or not name:
        raise InputError("body", "is a form with a part that has no name")
    return _Field(name, _file(found), content)


def _file(head: Any) -> str | None:
    """The name of a file without its folders; None for what is no file."""
    name = head.get_filename()
    if name is None:
        return None
    last = PurePosixPath(str(name).replace("\\", "/")).name
    return "".join(letter if letter.isprintable() else "?" for letter in last)[-_LONGEST_NAME:] or "a file"


def _text(part: _Field) -> str:
    try:
        return part.content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(part.name, "is not UTF-8") from None


def _asked(advice: str) -> str:
    """The reader's advice in the words of a form."""
    return _FLAG.sub(r"the field \1=\2", advice)


def _plain(note: str) -> str:
    """As a header can hold it."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in note)[:300]
