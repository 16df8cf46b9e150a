"""What becomes of each field of a body: read, without effect, refused, or unknown.

A dialect says which names it reads. The rest are of three kinds, none of which passes without a word:

- WITHOUT_EFFECT: names of other services that change nothing here, each for the reason that docs/clients.md gives;
- REFUSED: what cannot be had, and would change the scores or the answer; None, false and empty ask for nothing;
- unknown: refused where it is a misspelling of a name that is read, else ignored and named in X-Yesrank-Note.
"""

import re
from collections.abc import Iterable

from yesrank.errors import InputError
from yesrank.serve.dialects.fields import Fields

SHARED = frozenset({
    "model", "dialect", "as_text", "instruction", "instruct", "chat_template_kwargs", "prefix", "suffix", "truncate",
    "truncation", "truncation_direction", "truncation_side", "max_tokens_per_doc", "max_doc_length",
    "max_tokens_per_query", "max_query_length", "truncate_prompt_tokens", "max_length", "long", "max_chunks_per_doc",
})  # fmt: skip
"""Read in all shapes."""
SCORES = frozenset({"raw_scores", "use_activation", "activation", "softmax"})
"""Read where an answer holds scores: NVIDIA's holds logits."""
WITHOUT_EFFECT = {
    "priority": "requests take turns by what they cost",
    "encoding_format": "scores are numbers",
    "embed_dtype": "scores are numbers",
    "endianness": "scores are numbers",
    "user": "nothing is kept of who asked",
    "request_id": "the header X-Request-Id is read",
    "cache_salt": "no answer tells what is in the cache",
    "padding": "nothing is padded",
    "add_special_tokens": "the template has them",
    "add_generation_prompt": "the template has it",
    "return_len": "usage counts the tokens",
    "return_token_count": "usage counts the tokens",
    "batch_size": "the server makes its own batches",
    "normalize": "scores are probabilities, or logits with raw_scores",
}
REFUSED = {
    "return_embeddings": "a reranker makes no embeddings",
    "chat_template": "the template belongs to the model: yesrank add --template",
    "template": "the template belongs to the model: yesrank add --template",
    "mm_processor_kwargs": "only text is read",
    "rewrite_query": "the query is read as it is",
    "continue_final_message": "the template belongs to the model: yesrank add --template",
    "score_threshold": "all results come back in this shape",
    "threshold": "all results come back in this shape",
    "min_score": "all results come back in this shape",
}
_OF_A_TEMPLATE = frozenset({"instruction", "instruct", "enable_thinking", "thinking"})
_NOTHING = (None, False, 0, "", "false", "0")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_OTHER_WORDS = frozenset({"mode", "text", "item", "top_p"})
"""One letter away from a name that is read, and names of their own."""
_SHORT = 3  # letters: in shorter names one letter more or less is another word
_MOST_NAMED = 8


def check(fields: Fields, own: Iterable[str], *, scores: bool = True) -> tuple[str, ...]:
    """own: the names that a dialect reads besides those of all, its favourite first. Returns what is to be told.

    Raises InputError for a field that cannot be had, and for one whose name is nearly that of one that is read.
    """
    read = dict.fromkeys((*own, *sorted(SHARED), *(sorted(SCORES) if scores else ())))
    unknown = [name for name in fields if name not in read and name not in WITHOUT_EFFECT]
    for name in [name for name in unknown if name in REFUSED]:
        unknown.remove(name)
        if not _asks_for_nothing(fields[name]):
            raise InputError(name, "cannot be had here", f"{REFUSED[name]}; leave it out")
    for name in unknown:
        if near := _nearest(name, read):
            raise InputError(name, "is not known", f"write {near}, if that is meant, or leave it out")
    nested = fields.get("chat_template_kwargs")
    if isinstance(nested, dict):
        unknown += [f"chat_template_kwargs.{name}" for name in nested if name not in _OF_A_TEMPLATE]
    return _told(unknown)


def check_embedding(fields: Fields, read: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
    """The same of a request for vectors. read: names that are read; without: those that change nothing."""
    known = dict.fromkeys((*read, *without))
    unknown = [name for name in fields if name not in known]
    for name in unknown:
        if near := _nearest(name, known):
            raise InputError(name, "is not known", f"write {near}, if that is meant, or leave it out")
    return _told(unknown)


def _asks_for_nothing(value: object) -> bool:
    return value in ([], {}) or any(value is each or value == each for each in _NOTHING)


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant: other case or separators, or one letter less, more, other or exchanged."""
    if not _PLAIN_NAME.fullmatch(name) or name in _OTHER_WORDS:
        return None
    flat = _flat(name)
    for each in known:
        if flat == _flat(each) or (
            min(len(flat), len(_flat(each))) >= _SHORT and _one_slip(flat, _flat(each))
        ):
            return each
    return None


def _flat(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _one_slip(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    return short[at + 1 :] == long[at + 1 :] or (
        short[at + 2 :] == long[at + 2 :] and short[at : at + 2] == long[at : at + 2][::-1]
    )


def _told(names: list[str]) -> tuple[str, ...]:
    """Names are the caller's text too: only plain ones are repeated to him, the others are counted."""
    if not names:
        return ()
    plain = [name for name in names if all(map(_PLAIN_NAME.fullmatch, name.split(".", 1)))][:_MOST_NAMED]
    others = len(names) - len(plain)
    more = [f"{others} more" if plain else f"{others} with other names"] if others else []
    return (f"fields that are not known were ignored: {', '.join([*plain, *more])}",)
