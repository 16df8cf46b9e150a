"""Text -> what is counted and looked up: words of any language, cut and stemmed alike in passages and in queries.

A word stands for itself by its stem, where its language has a stemmer. It may be found by more: without its accents, by
the parts of getUserName and get_user_name. Scripts without gaps between words are cut into pairs of characters.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from yesrank.search.languages import COMMON, STEMMERS, language_of
from yesrank.words import HANGUL, UNSPACED, bigrams, composed, marks, normal, word_pattern

VERSION = 1
"""Goes up with any change of what a text's terms are: an index of another one would not be found in."""
_LONGEST = 48
_ASCII_WORD = re.compile(r"\w+")
_RUN = re.compile(f"[{UNSPACED}]")
_HANGUL = re.compile(f"[{HANGUL}]+|[^{HANGUL}]+")
# C++, C#, U.S., 3.14: words of which the usual pattern leaves the part that is not theirs
_SPECIAL = re.compile(
    r"(?<!\w)[a-z][a-z0-9]{0,9}(?:\+\+|#)(?!\w)|(?<![\w.])(?:[^\W\d_]\.){2,}|(?<![\w.])\d+(?:[.,:]\d+)+(?!\w)"
)
_CAMEL = re.compile(r"[^\W_]*[^\W\d_A-Z][A-Z][^\W_]*")
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+")
_SCRIPTS = (("\u0400", "\u052f", "russian"), ("\u0370", "\u03ff", "greek"), ("\u1f00", "\u1fff", "greek"),
            ("\u0600", "\u06ff", "arabic"), ("\u0900", "\u097f", "hindi"))  # fmt: skip
_PARTS = {"\u0131": "i", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l"}
_WITHOUT = str.maketrans(_PARTS)


@dataclass(frozen=True, slots=True)
class Terms:
    """counts: of each term. length: how many words the text has. language: of its Latin letters, or empty."""

    counts: dict[str, int]
    length: int
    language: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """One word of a query: any of its terms will do. prefixes: terms that begin so will do, too.

    otherwise: the terms of the word without its accents, for where it is nowhere written with them. Beside the others
    they would cost: in Vietnamese an accent makes another word.
    """

    terms: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


def terms_of(text: str, language: str = "") -> Terms:
    """The terms of a passage. language: what its surroundings are in, for texts too short to tell."""
    words = _words(text)
    counts = Counter(words)
    language = language_of(counts, language)
    found: dict[str, int] = {}
    length = 0
    for word, count in counts.items():
        if _RUN.match(word):
            pairs = bigrams(word)
            length += count * len(pairs)
            # and the last character alone: all others begin a pair, by which a single one is looked up
            for term in (*pairs, word[-1]) if len(word) > 1 else pairs:
                found[term] = found.get(term, 0) + count
            continue
        length += count
        for term in _of_word(word, language):
            found[term] = found.get(term, 0) + count
    for term in _inner(text):
        found[term] = found.get(term, 0) + 1
    return Terms(found, length, language)


def wanted(query: str, languages: Iterable[str]) -> list[Wanted]:
    """The words of a query, in all languages that the index holds: it is rarely long enough to tell its own.

    Its commonest words are left out, unless there are no others.
    """
    words = _words(query)
    language = language_of(words)
    content = [word for word in words if word not in COMMON.get(language, ())] or words
    others = tuple(sorted({language, "", *languages}))
    found: list[Wanted] = []
    for word in content:
        found += _wanted(word, others)
    known = {term for each in found for term in each.terms}
    found += [Wanted((term,)) for term in dict.fromkeys(_inner(query)) if term not in known]
    return found


def _wanted(word: str, languages: Sequence[str]) -> list[Wanted]:
    if _RUN.match(word):
        return [Wanted((pair,)) for pair in bigrams(word)] if len(word) > 1 else [Wanted((word,), (word,))]
    exact, otherwise = dict[str, None](), dict[str, None]()
    for language in languages:
        first, *plain = _of_word(word, language)
        exact[first] = None
        otherwise.update(dict.fromkeys(plain))
    if re.search(f"[{HANGUL}]", word):
        return [Wanted((term,)) for term in (*exact, *otherwise)]
    return [Wanted((*exact,), otherwise=(*otherwise,))]


def _words(text: str) -> list[str]:
    clean = normal(text)
    if clean.isascii():
        return _ASCII_WORD.findall(clean)
    if not _RUN.search(clean):
        return _any_word().findall(clean)
    return [run or word for run, word in word_pattern().findall(clean)]


@cache
def _any_word() -> re.Pattern[str]:
    """Words of scripts with gaps, in a text that has no others: a third of the time of the whole pattern."""
    return re.compile(f"[\\w{marks()}]+")


def _inner(text: str) -> list[str]:
    """The parts of words that are written together, and what the usual pattern of words takes apart."""
    clean = composed(text)
    found: list[str] = []
    for word in _CAMEL.findall(clean):
        found += [part.lower() for part in _HUMP.findall(word) if len(part) > 1]
    if "_" in clean:
        for word in re.findall(r"\w*[^\W_]_+[^\W_]\w*", clean):
            found += [part.lower() for part in word.split("_") if len(part) > 1]
    found += [
        each.replace(".", "") if each[0].isalpha() and each[-1] == "." else each
        for each in _SPECIAL.findall(clean.lower())
    ]
    return found


@lru_cache(maxsize=400_000)
def _of_word(word: str, language: str) -> tuple[str, ...]:
    """Its terms, the one that stands for it first."""
    if len(word) > _LONGEST:
        return ("#" + hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=12).hexdigest(),)
    if word.isascii():
        return (_stem(word, language),)
    if re.search(f"[{HANGUL}]", word):
        return tuple(
            pair
            for run in _HANGUL.findall(word)
            for pair in (bigrams(run) if re.match(f"[{HANGUL}]", run) else [run])
        )
    plain = _without_marks(word)
    first = word[0]
    if first < "\u0250" or "\u1e00" <= first <= "\u1eff":
        own = _stem(word, language)
        return (own,) if plain == word else tuple(dict.fromkeys((own, _stem(plain, language))))
    script = next((name for low, high, name in _SCRIPTS if low <= first <= high), None)
    if script is None:
        return (word,)
    return (_stemmer(script)(plain if script in ("russian", "greek") else word),)


def _stem(word: str, language: str) -> str:
    name = STEMMERS.get(language)
    return word if name is None or not word.isalpha() else _stemmer(name)(word)


def _without_marks(word: str) -> str:
    letters = unicodedata.normalize("NFD", word.translate(_WITHOUT))
    return "".join(char for char in letters if unicodedata.category(char) != "Mn")


@cache
def _stemmer(name: str) -> Callable[[str], str]:
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer(name, 0).stemWord
    return stem
