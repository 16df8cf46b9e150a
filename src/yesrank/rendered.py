"""Texts that a client has put into the prompt's template already -> what it put in. The rule of docs/prompts.md.

Servers that leave the template to their clients are told queries and documents like these:

    query       <|im_start|>system ... <|im_start|>user\\n<Instruct>: INSTRUCTION\\n<Query>: QUERY\\n
    document    <Document>: DOCUMENT<|im_end|>\\n<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n

Wrapped once more they would be judged as text, and badly. **The query decides**, for it is the caller's own: whether
it is written so is seen from its first character, and must hold to its last. Documents come from anywhere. What one of
them says, or how it begins, never changes how another text is read, and never refuses a request whose query is plain.
Taken out is text like any other: it becomes control tokens no more than before (tokens.PromptEncoder).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from yesrank.errors import InputError
from yesrank.prompt import TEMPLATES, Template
from yesrank.templates import is_own, pieces

_CONTROL, _PREFIXES = "<|im_start|>", tuple({template.prefix for template in TEMPLATES.values()})
_SYSTEM = tuple(
    {prefix.removeprefix("<|im_start|>system\n").partition("<|im_end|>")[0] for prefix in _PREFIXES}
)
_ENDS = ("<|im_end|>", "<|im_start|>assistant", "<think>\n\n</think>")
_INSTRUCT, _QUERY, _DOCUMENT = "<Instruct>:", "<Query>:", "<Document>:"
_END = re.compile(r"<\|im_end\|>\n<\|im_start\|>assistant(\n(<think>\n\n</think>\n{0,2})?)?")
_EMBEDDING = re.compile(r"Instruct:(?P<instruction>.*?)\nQuery:(?P<query>.*)", re.DOTALL)
_LONE_LABEL = re.compile(
    r"\W*(<|&lt;)?(instruct|instruction|query|document)(>|&gt;)?\s*[:\uff1a]", re.IGNORECASE
)
_SPELT_OUT = re.compile(r"\\n\s*(<Query>|Query):")  # a backslash and an n, where the end of a line was meant
_BLANK = " \t\r\n\u00a0\u3000\ufeff\u200b"  # also what files and pages begin with, and no one sees
_PLAIN = "send the query and the documents as they are, and the instruction as `instruction`"
_NOT_HELD = "begins with the chat template and does not hold to it"
_AS_TEXT = "; where it is meant as text, say as_text"
UNWRAPPED = "query and documents came in the chat template, and were taken out of it"
LABELS = "the query came with labels of a prompt, and was taken out of them"
LONE_LABEL = "the query begins with a label, which is read as its text"
PARTS = "the query holds parts of a chat template, which are read as its text"
DOCUMENTS_ONLY = "the documents look like parts of a prompt and the query does not: all is read as text"


@dataclass(frozen=True, slots=True)
class Plain:
    """Texts as they are to be judged.

    queries, instructions: one for all documents, or one each, as they came; an instruction is None where the query
    brought none. notes: what a caller should be told, without any text of his.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    instructions: tuple[str | None, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parts:
    """kind: the note that tells of it."""

    kind: str
    query: str
    instruction: str | None = None
    own: "_Own | None" = None  # the template that it came in, where that is none of the published ones


class _Own:
    """A template of the model's own as clients apply it: its parts, without the white space around them."""

    def __init__(self, template: Template) -> None:
        before, self.first, between, _, label = pieces(template.head)
        self.opening = (template.prefix + before).strip()
        self.between, self.label, self.suffix = between.strip(), label.strip(), template.suffix.strip()

    def read(self, start: str, field: str) -> _Parts | None:
        """What a query is made of; None where it does not begin as this template does. Raises InputError."""
        if not self.opening or not start.startswith(self.opening):
            return None
        one, found, other = (body := start.removeprefix(self.opening)).partition(self.between)
        if not found or self.between in other or (self.label and self.label in body) or "<|im_" in body:
            if _CONTROL not in self.opening:  # a mere word, with which questions may begin
                return None
            raise InputError(field, _NOT_HELD, _PLAIN + _AS_TEXT)
        instruction, query = (one, other) if self.first == "instruction" else (other, one)
        return replace(_parts(UNWRAPPED, instruction, query, field), own=self)

    def end(self, text: str) -> int:
        """Where the end of the template begins in a document; -1 where it has none."""
        text = text.rstrip()
        return len(text) - len(self.suffix) if text.endswith(self.suffix) else -1


def plain(
    queries: Sequence[str],
    documents: Sequence[str],
    *,
    instruction: str | None = None,
    template: Template | None = None,
) -> Plain:
    """Takes queries and documents out of the template where they are in it; else they are left as they are.

    queries: one for all documents, or one for each. instruction: what the caller asks for besides. template: the
    model's, which is known besides the published ones.
    Raises InputError for what begins as a template and does not go on as one, and for an instruction that is given
    twice and differs.
    """
    own = _Own(template) if template is not None and is_own(template) else None
    read = {
        text: _read(text, "query" if len(queries) == 1 else f"queries[{at}]", own)
        for text, at in _first(queries)
    }
    parts = [read[query] for query in queries]
    if not any(parts):
        return Plain((*queries,), (*documents,), (None,) * len(queries), _notes(queries, documents))
    for part in filter(None, parts):
        if instruction is not None and part.instruction not in (None, instruction.strip()):
            raise InputError("instruction", "is given here and in the query, and differs", _PLAIN)
    return Plain(
        tuple(query if part is None else part.query for query, part in zip(queries, parts, strict=True)),
        _documents(parts if len(parts) == len(documents) else parts * len(documents), documents),
        tuple(None if part is None else part.instruction for part in parts),
        tuple(dict.fromkeys(part.kind for part in parts if part)),
    )


def _first(queries: Sequence[str]) -> list[tuple[str, int]]:
    """Each query that there is, with the place where it comes first."""
    return [*{query: at for at, query in reversed([*enumerate(queries)])}.items()]


def _read(text: str, field: str, own: _Own | None) -> _Parts | None:
    """What a query is made of; None where it is one itself. field: how an error names it."""
    start = text.lstrip(_BLANK)
    if own is not None and (parts := own.read(start, field)) is not None:
        return parts
    if start.startswith((_INSTRUCT, "Instruct:", _CONTROL)) and _SPELT_OUT.search(start):
        raise InputError(field, "has ends of lines spelt out as a backslash and an n", _PLAIN + _AS_TEXT)
    if start.startswith(_CONTROL):
        body = next((start.removeprefix(prefix) for prefix in _PREFIXES if start.startswith(prefix)), None)
        if body is None:
            raise InputError(field, "begins with a chat template that is not this model's", _PLAIN + _AS_TEXT)
        if not body.startswith(_INSTRUCT) or "<|im_" in body:
            raise InputError(field, _NOT_HELD, _PLAIN + _AS_TEXT)
        return _labelled(UNWRAPPED, body, field)
    if start.startswith((_INSTRUCT, _QUERY)):
        return _labelled(LABELS, start, field)
    found = _EMBEDDING.fullmatch(start)
    if found is None or "\nQuery:" in found["query"] or "\nInstruct:" in start:
        return None
    return _parts(LABELS, found["instruction"], found["query"], field)


def _labelled(kind: str, body: str, field: str) -> _Parts:
    """<Instruct>: ... <Query>: ..., or the latter alone: each label once, or nobody knows which one is the label."""
    before, label, query = body.partition(_QUERY)
    if not label or _QUERY in query or _DOCUMENT in body or body.count(_INSTRUCT) != before.count(_INSTRUCT):
        raise InputError(
            field, "holds labels of a prompt that can be read in more than one way", _PLAIN + _AS_TEXT
        )
    if before.count(_INSTRUCT) > 1:
        raise InputError(field, f"holds {_INSTRUCT} more than once", _PLAIN + _AS_TEXT)
    return _parts(kind, before.removeprefix(_INSTRUCT), query, field)


def _parts(kind: str, instruction: str, query: str, field: str) -> _Parts:
    if not query.strip():
        raise InputError(field, "is empty behind its label", "give the question")
    return _Parts(kind, query.strip(), instruction.strip() or None)


def _documents(parts: Sequence[_Parts | None], documents: Sequence[str]) -> tuple[str, ...]:
    """Each document out of what its query is in. The label alone is one only where all documents have it."""
    labelled = all(
        text.startswith(_DOCUMENT)
        for part, text in zip(parts, documents, strict=True)
        if part and part.kind == LABELS
    )
    return tuple(
        _document(part, text, at, labelled=labelled)
        for at, (part, text) in enumerate(zip(parts, documents, strict=True))
    )


def _document(part: _Parts | None, text: str, at: int, *, labelled: bool) -> str:
    if part is None:
        return text
    if part.kind == UNWRAPPED:
        return _unwrapped(part.own, text, at)
    return _without_label(text) if labelled else text


def _unwrapped(own: _Own | None, text: str, at: int) -> str:
    text, label = text.lstrip(_BLANK), _DOCUMENT if own is None else own.label
    end = _end(text) if own is None else own.end(text)
    if end < len(label) or not text.startswith(label):
        raise InputError(
            f"documents[{at}]",
            f"is not in the chat template, and the query is: it has no {label} in front or no end of turn behind",
            _PLAIN + _AS_TEXT,
        )
    return _without_label(text[:end], label)


def _end(text: str) -> int:
    """Where the end of a published template begins; -1 where there is none."""
    end = text.rfind("<|im_end|>")
    return end if end >= 0 and _END.fullmatch(text, end) else -1


def _without_label(text: str, label: str = _DOCUMENT) -> str:
    return text.removeprefix(label).removeprefix(" ")


def _notes(queries: Sequence[str], documents: Sequence[str]) -> tuple[str, ...]:
    """What is left as it is and looks as if it were meant otherwise."""
    rendered = bool(documents) and all(_looks_rendered(text) for text in documents)
    notes = (
        (any(map(_LONE_LABEL.match, queries)), LONE_LABEL),
        (any(_holds_parts(text) for text in queries), PARTS),
        (rendered, DOCUMENTS_ONLY),
    )
    return tuple(note for holds, note in notes if holds)


def _holds_parts(text: str) -> bool:
    """The system prompt, or the end of a turn behind all else; not a word, as where somebody asks what it means."""
    return any(prompt in text for prompt in _SYSTEM) or text.rstrip().endswith(_ENDS)


def _looks_rendered(text: str) -> bool:
    start = text.lstrip(_BLANK)
    return start.startswith((_DOCUMENT, _INSTRUCT, *_PREFIXES)) or _end(text.rstrip(_BLANK)) >= 0
