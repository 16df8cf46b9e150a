"""Options that several dialects share, under the names that their clients use."""

from collections.abc import Iterable
from typing import Any

from yesrank.errors import InputError
from yesrank.models.windows import BEST, CUT, check_long
from yesrank.prompt import EMPTY_INSTRUCTION, is_blank
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects import names
from yesrank.serve.dialects.fields import Fields

THRESHOLDS = ("score_threshold", "threshold", "min_score")
_LEFT = {"left", "start"}
_CUT = {**dict.fromkeys(("right", "end"), True), "none": False}
_ONLY_THE_END = "only a document's end is cut, so that the question and the template stay whole"


def shared(body: Fields, own: Iterable[str], *, scores: bool = True) -> dict[str, Any]:
    """What all dialects read, as RerankRequest takes it. own: the names that the dialect reads besides.

    prefix and suffix, the text around a prompt, may be those of the model's template, as OpenArc's clients send them.
    """
    notes, asked = names.check(body, own, scores=scores), instruction(body)
    return {
        "notes": (*notes, EMPTY_INSTRUCTION) if asked is not None and is_blank(asked) else notes,
        "model": read.string(body, "model"),
        "instruction": asked,
        "prefix": read.string(body, "prefix"),
        "suffix": read.string(body, "suffix"),
        "max_tokens_per_doc": _least(body, "max_tokens_per_doc", "max_doc_length"),
        "max_query_tokens": _least(body, "max_tokens_per_query", "max_query_length"),
        "max_length": _least(body, "max_length", "truncate_prompt_tokens"),
        "truncate": truncate(body),
        **_long(body),
        "as_text": read.flag(body, "as_text") or False,
    }


def instruction(body: Fields) -> str | None:
    """The task that the model is told: instruction or instruct, or either of them in chat_template_kwargs.

    Raises InputError where two of them say different things.
    """
    nested = body.get("chat_template_kwargs")
    if nested is not None and not isinstance(nested, dict):
        raise InputError("chat_template_kwargs", f"must be an object, not {read.kind(nested)}")
    given = [read.string(each, name) for each in (body, nested or {}) for name in ("instruction", "instruct")]
    said = {text for text in given if text is not None}
    if len(said) > 1:
        raise InputError("instruction", "is given twice, and differs", "give it once")
    return next(iter(said), None)


def count(body: Fields, *limits: str) -> int | None:
    """How many results are wanted, under whichever of the names; None for all. Raises InputError where they differ."""
    given = {limit: name for name in limits if (limit := read.at_most(body, name)) is not None}
    if len(given) > 1:
        raise InputError(limits[0], "is given twice, and differs", f"give {limits[0]} alone")
    return next(iter(given), None)


def threshold(body: Fields) -> float | None:
    """The least score that is to come back, under whichever of its names. Raises InputError where they differ.

    For shapes whose answers may hold some of the documents only; THRESHOLDS are among the names that they read.
    """
    given = {value: name for name in THRESHOLDS if (value := read.share(body, name)) is not None}
    if len(given) > 1:
        raise InputError(THRESHOLDS[0], "is given twice, and differs", f"give {THRESHOLDS[0]} alone")
    return next(iter(given), None)


def _long(body: Fields) -> dict[str, Any]:
    """What is done with a document that does not fit. Cohere's max_chunks_per_doc: so many windows at most."""
    most = read.at_most(body, "max_chunks_per_doc")
    word = read.string(body, "long")
    long = (CUT if most in (None, 1) else BEST) if word is None else word
    check_long(long, most)
    return {"long": long, "max_passages": most}


def _least(body: Fields, *limits: str) -> int | None:
    """The smallest of the limits that are given. vLLM's truncate_prompt_tokens: -1 is the model's own."""
    given = [
        None
        if name == "truncate_prompt_tokens" and read.whole(body, name, -1) == -1
        else read.at_most(body, name)
        for name in limits
    ]
    return min((limit for limit in given if limit is not None), default=None)


def truncate(body: Fields) -> bool:
    """Whether a document that does not fit is cut (the default) or an error."""
    given = [_truncate(body, name) for name in ("truncate", "truncation")]
    cut = next((value for value in given if value is not None), True)
    for name in ("truncation_direction", "truncation_side"):
        side = read.string(body, name)
        if side is not None and side.lower() in _LEFT and cut:
            raise InputError(name, "left is not possible", _ONLY_THE_END)
        if side is not None and side.lower() not in _LEFT | {"right", "end"}:
            raise InputError(name, "must be Right", _ONLY_THE_END)
    return cut


def _truncate(body: Fields, name: str) -> bool | None:
    """A flag, or one of the words NONE, END and START (Cohere's and NVIDIA's own way of saying it)."""
    value = body.get(name)
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _LEFT:
        raise InputError(name, "START is not possible", _ONLY_THE_END)
    return _CUT[word] if word in _CUT else read.flag(body, name)


def raw_scores(body: Fields) -> bool:
    """Whether logits are wanted: raw_scores, or vLLM's use_activation (older: activation, softmax) set to false."""
    raw = read.flag(body, "raw_scores")
    if raw is not None:
        return raw
    flags = [read.flag(body, name) for name in ("use_activation", "activation", "softmax")]
    return False in flags
