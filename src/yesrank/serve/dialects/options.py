"""Options that several dialects share, under the names that their clients use."""

from yesrank.errors import InputError
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.fields import Fields

_LEFT = {"left", "start"}
_CUT = {**dict.fromkeys(("right", "end"), True), "none": False}
_ONLY_THE_END = "only a document's end is cut, so that the question and the template stay whole"


def instruction(body: Fields) -> str | None:
    """The task that the model is told: instruction, instruct, or chat_template_kwargs.instruction."""
    nested = body.get("chat_template_kwargs")
    if nested is not None and not isinstance(nested, dict):
        raise InputError("chat_template_kwargs", f"must be an object, not {read.kind(nested)}")
    return (
        read.string(body, "instruction")
        or read.string(body, "instruct")
        or read.string(nested or {}, "instruction")
    )


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
