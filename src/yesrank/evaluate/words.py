"""Text to the terms that BM25 counts, by language."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice

from yesrank.errors import InputError, MissingExtra

Terms = Callable[[Sequence[str]], list[list[str]]]

# the languages for which bm25s has stop words and PyStemmer a stemmer
SNOWBALL = {
    "en": "english", "de": "german", "nl": "dutch", "fr": "french", "es": "spanish", "pt": "portuguese",
    "it": "italian", "ru": "russian", "sv": "swedish", "no": "norwegian", "da": "danish", "tr": "turkish",
}  # fmt: skip
BIGRAMS = ("zh", "ja", "th")
PLAIN = "plain"
LANGUAGES = (*SNOWBALL, *BIGRAMS, PLAIN)

_THAI, _KANA = "\u0e00-\u0e7f", "\u3040-\u30ff\u31f0-\u31ff"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = _THAI + _KANA + _HAN + "\u0e80-\u0eff\u1780-\u17ff"  # and Lao and Khmer
_SAMPLE, _CHARACTERS = 300, 1000
_MANY_UNSPACED, _FEW_STOP_WORDS = 0.3, 0.05


def terms_for(language: str) -> Terms:
    """The function that cuts texts into terms. Raises InputError for an unknown language, or MissingExtra.

    English and its like: bm25s's own pattern, stop words, Snowball stemmer. Chinese, Japanese, Thai: character
    bigrams. "plain": lower-case words, combining marks kept with their letters.
    """
    if language in SNOWBALL:
        return _stemming(language)
    if language in (*BIGRAMS, PLAIN):
        return lambda texts: [_pieces(text) for text in texts]
    raise InputError("language", f"{language!r} is not known", f"use one of: {', '.join(LANGUAGES)}")


def detect(texts: Iterable[str]) -> str:
    """The language of a collection, guessed from its first texts: by script, then by stop words."""
    sample = " ".join(text[:_CHARACTERS] for text in islice(texts, _SAMPLE))
    letters = sum(char.isalpha() for char in sample)
    if len(re.findall(f"[{_UNSPACED}]", sample)) > _MANY_UNSPACED * letters:
        return _unspaced_language(sample)
    words = re.findall(r"\w\w+", sample.lower())
    hits = {name: sum(map(_stop_words(name).__contains__, words)) for name in SNOWBALL}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] > _FEW_STOP_WORDS * len(words) else PLAIN


def _unspaced_language(sample: str) -> str:
    counts = {name: len(re.findall(f"[{chars}]", sample)) for name, chars in (("th", _THAI), ("ja", _KANA))}
    # Chinese text cites Japanese names now and then; Japanese text is kana for the greater part
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > 0.2 * len(re.findall(f"[{_UNSPACED}]", sample)) else "zh"


def _stop_words(language: str) -> frozenset[str]:
    try:
        from bm25s import stopwords
    except ImportError:
        raise MissingExtra("bm25s", "eval") from None
    name = "EN" if language == "en" else SNOWBALL[language].upper()
    return frozenset(getattr(stopwords, f"STOPWORDS_{name}"))


def _stemming(language: str) -> Terms:
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise MissingExtra("PyStemmer" if error.name == "Stemmer" else "bm25s", "eval") from None
    stemmer = Stemmer.Stemmer(SNOWBALL[language])

    def terms(texts: Sequence[str]) -> list[list[str]]:
        found: list[list[str]] = bm25s.tokenize(
            [*texts], stopwords=language, stemmer=stemmer, return_ids=False, show_progress=False
        )
        return found

    return terms


def _pieces(text: str) -> list[str]:
    """Bigrams of runs without spaces, whole words elsewhere."""
    normal = unicodedata.normalize("NFKC", text).lower()
    found: list[str] = []
    for match in _word_pattern().finditer(normal):
        run, word = match.groups()
        if word:
            found.append(word)
        else:
            found += [run[at : at + 2] for at in range(max(len(run) - 1, 1))]
    return found


@cache
def _word_pattern() -> re.Pattern[str]:
    """Group 1: a run of an unspaced script. Group 2: a word of another, with the vowel signs that \\w leaves out."""
    marks = "".join(
        re.escape(chr(code))
        for code in range(0x300, 0x10000)
        if unicodedata.category(chr(code)) in ("Mn", "Mc")
    )
    return re.compile(f"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])[\\w{marks}])+)")
