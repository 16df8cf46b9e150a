"""Text to the terms that BM25 counts, by language."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from yesrank.errors import InputError, MissingExtra
from yesrank.words import HANGUL, KANA, THAI, UNSPACED, bigrams, composed, pieces

Terms = Callable[[Sequence[str]], list[list[str]]]

# the languages for which bm25s has stop words and PyStemmer a stemmer
SNOWBALL = {
    "en": "english", "de": "german", "nl": "dutch", "fr": "french", "es": "spanish", "pt": "portuguese",
    "it": "italian", "ru": "russian", "sv": "swedish", "no": "norwegian", "da": "danish", "tr": "turkish",
}  # fmt: skip
STEMMED = {"ar": "arabic", "el": "greek", "hi": "hindi", "ro": "romanian"}
"""A stemmer, and no stop words."""
BIGRAMS = ("zh", "ja", "th", "ko")
PLAIN = "plain"
LANGUAGES = (*SNOWBALL, *STEMMED, *BIGRAMS, PLAIN)

_SCRIPTS = (
    ("ko", HANGUL),
    ("el", "\u0370-\u03ff\u1f00-\u1fff"),
    ("hi", "\u0900-\u097f"),
    ("ar", "\u0600-\u06ff"),
)
_NOT_ARABIC = (
    "\u067e\u0686\u0698\u06af\u06a9\u06cc\u06d2\u0679\u0688\u0691"  # Persian's and Urdu's own letters
)
_ROMANIAN = frozenset({
    "și", "de", "în", "la", "cu", "pe", "este", "din", "care", "pentru", "un", "sau", "sunt", "fost", "mai", "prin",
    "iar", "după", "între", "lui",
})  # fmt: skip
_SAMPLE, _CHARACTERS = 300, 1000
_MANY_UNSPACED, _FEW_STOP_WORDS, _FEW_LETTERS = 0.3, 0.05, 0.01


def terms_for(language: str) -> Terms:
    """The function that cuts texts into terms. Raises InputError for an unknown language, or MissingExtra.

    English and its like: bm25s's own pattern, stop words, Snowball stemmer. Arabic, Greek, Hindi, Romanian: words,
    Snowball stemmer. Chinese, Japanese, Thai: character bigrams; Korean: those of each word, whose particles are part
    of it. "plain": lower-case words, combining marks kept with their letters.
    """
    if language in SNOWBALL:
        return _stemming(language)
    if language in STEMMED:
        stem = _stemmer(STEMMED[language]).stemWords
        return lambda texts: [stem(pieces(text)) for text in texts]
    if language == "ko":
        return lambda texts: [_korean(pieces(text)) for text in texts]
    if language in (*BIGRAMS, PLAIN):
        return lambda texts: [pieces(text) for text in texts]
    raise InputError("language", f"{language!r} is not known", f"use one of: {', '.join(LANGUAGES)}")


def detect(texts: Iterable[str]) -> str:
    """The language of a collection, guessed from its first texts: by script, then by stop words."""
    sample = composed(" ".join(text[:_CHARACTERS] for text in islice(texts, _SAMPLE)))
    letters = sum(char.isalpha() for char in sample)
    if _count(UNSPACED, sample) > _MANY_UNSPACED * letters:
        return _unspaced_language(sample)
    for name, chars in _SCRIPTS:
        if _count(chars, sample) > _MANY_UNSPACED * letters:
            return PLAIN if name == "ar" and _count(_NOT_ARABIC, sample) > _FEW_LETTERS * letters else name
    words = re.findall(r"\w\w+", sample.lower())
    hits = {name: sum(map(_stop_words(name).__contains__, words)) for name in (*SNOWBALL, "ro")}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] > _FEW_STOP_WORDS * len(words) else PLAIN


def _count(chars: str, text: str) -> int:
    return len(re.findall(f"[{chars}]", text))


def _unspaced_language(sample: str) -> str:
    counts = {name: _count(chars, sample) for name, chars in (("th", THAI), ("ja", KANA))}
    # Chinese text cites Japanese names now and then; Japanese text is kana for the greater part
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > 0.2 * _count(UNSPACED, sample) else "zh"


def _stop_words(language: str) -> frozenset[str]:
    if language == "ro":
        return _ROMANIAN
    try:
        from bm25s import stopwords
    except ImportError:
        raise MissingExtra("bm25s", "eval") from None
    name = "EN" if language == "en" else SNOWBALL[language].upper()
    return frozenset(getattr(stopwords, f"STOPWORDS_{name}"))


def _stemmer(name: str) -> Any:
    try:
        import Stemmer
    except ImportError:
        raise MissingExtra("PyStemmer", "eval") from None
    return Stemmer.Stemmer(name)


def _stemming(language: str) -> Terms:
    try:
        import bm25s
    except ImportError:
        raise MissingExtra("bm25s", "eval") from None
    stemmer = _stemmer(SNOWBALL[language])

    def terms(texts: Sequence[str]) -> list[list[str]]:
        found: list[list[str]] = bm25s.tokenize(
            [_for_stemming(text, language) for text in texts],
            stopwords=language,
            stemmer=stemmer,
            return_ids=False,
            show_progress=False,
        )
        return found

    return terms


def _for_stemming(text: str, language: str) -> str:
    """Composed and in lower case. Marks that no letter has of its own (a Russian stress, a Turkish I's dot) go."""
    if text.isascii() and language != "tr":
        return text
    normal = composed(text)
    if language == "tr":
        normal = normal.replace("\u0130", "i").replace("I", "\u0131")
    return "".join(char for char in normal.lower() if unicodedata.category(char) != "Mn")


def _korean(words: Sequence[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        for run in re.findall(f"[{HANGUL}]+|[^{HANGUL}]+", word):
            found += bigrams(run) if re.match(f"[{HANGUL}]", run) else [run]
    return found
