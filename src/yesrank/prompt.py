"""(template, instruction, query) -> the text around a document. The only place that knows the published ones.

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

from yesrank.errors import EmptyInput, InputError

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

EMPTY_INSTRUCTION = "the instruction is empty, and so the prompt says nothing of what is looked for"
"""What callers are told: for a model that was trained without one it is right, and else seldom meant."""

_BLANK = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")  # white space, and what no one sees

_SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
_PREFIX = f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"
_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


_PLACE = re.compile(r"\{(instruction|query)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One way of writing the prompt. prefix, suffix: control text.

    head: user text, with {instruction} and {query} where these go. lead: what stands before a document, and is encoded
    with it.
    """

    name: str
    prefix: str
    head: str
    suffix: str
    lead: str = " "

    @property
    def text(self) -> str:
        """The whole, as a file holds it: see templates."""
        return f"{self.prefix}{self.head}{self.lead}{{document}}{self.suffix}{{answer}}\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """The text around a document: control prefix, user head, what leads to the document, control suffix."""

    prefix: str
    head: str
    suffix: str
    lead: str = " "

    def piece(self, document: str) -> str:
        """The document as it follows the head."""
        return f"{self.lead}{document}"


def _published(name: str, separator: str, suffix: str = _SUFFIX) -> Template:
    """separator stands between the fields of the user turn."""
    head = f"<Instruct>: {{instruction}}{separator}<Query>: {{query}}{separator}<Document>:"
    return Template(name, _PREFIX, head, suffix)


TEMPLATES = {
    template.name: template
    for template in (
        _published("card", "\n"),
        _published("chat", "\n\n"),
        _published("onnx-card", "\n\n", _SUFFIX.removesuffix("\n")),
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
    values = {"instruction": instruction, "query": query}
    head = _PLACE.sub(lambda place: values[place[1]], template.head)
    return Frame(template.prefix, head, template.suffix, template.lead)


def is_blank(text: str) -> bool:
    """Whether there is nothing to be seen in it."""
    return _BLANK.fullmatch(text) is not None


def check_not_blank(field: str, query: str) -> None:
    """Raises InputError for a query that asks nothing: the model would answer all the same."""
    if is_blank(query):
        raise EmptyInput(field, "is empty", "give the question")
