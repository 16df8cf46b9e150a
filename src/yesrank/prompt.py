"""(template, instruction, query) -> the text around a document. The only place that knows a template.

A prompt is four pieces, encoded separately and concatenated with nothing between them:

    prefix   control text: system prompt, opening of the user turn
    head     user text:    "<Instruct>: ...<Query>: ...<Document>:"
    document user text:    " " + document
    suffix   control text: end of the user turn, opening of the answer

The body is split before the space that follows "<Document>:". The tokenizer's pattern never joins ":" with a
following space, so the ids are those of the model card's recipe, which encodes head and document as one string;
tests/unit/test_tokens.py proves it on arbitrary Unicode. The source of the texts is the model card of
Qwen3-Reranker; `chat` follows its vLLM example (without the doubled <|im_end|> that its authors
later removed), `onnx-card` the cards of the Transformers.js conversions.
"""

import re
from dataclasses import dataclass

from yesrank.errors import InputError

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

_BLANK = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")  # white space, and what no one sees

_SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
_PREFIX = f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"
_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


@dataclass(frozen=True, slots=True)
class Template:
    """One known way of writing the prompt. separator stands between the fields of the user turn."""

    name: str
    separator: str
    prefix: str = _PREFIX
    suffix: str = _SUFFIX


@dataclass(frozen=True, slots=True)
class Frame:
    """The text around a document: control prefix, user head, control suffix."""

    prefix: str
    head: str
    suffix: str


TEMPLATES = {
    template.name: template
    for template in (
        Template("card", "\n"),
        Template("chat", "\n\n"),
        Template("onnx-card", "\n\n", suffix=_SUFFIX.removesuffix("\n")),
    )
}


def template_named(name: str) -> Template:
    """The template of that name. Raises InputError for an unknown one."""
    try:
        return TEMPLATES[name]
    except KeyError:
        raise InputError(
            "template", f"{name!r} is not known", f"use one of: {', '.join(TEMPLATES)}"
        ) from None


def frame(template: Template, instruction: str, query: str) -> Frame:
    """The text around every document of a request. Text is inserted once, never substituted into again."""
    separator = template.separator
    head = f"<Instruct>: {instruction}{separator}<Query>: {query}{separator}<Document>:"
    return Frame(template.prefix, head, template.suffix)


def document_piece(document: str) -> str:
    """The document as it follows a frame's head."""
    return f" {document}"


def is_blank(text: str) -> bool:
    """Whether there is nothing to be seen in it."""
    return _BLANK.fullmatch(text) is not None


def check_not_blank(field: str, query: str) -> None:
    """Raises InputError for a query that asks nothing: the model would answer all the same."""
    if is_blank(query):
        raise InputError(field, "is empty", "give the question")
