"""Text to words, whatever its script: the one place that knows which scripts have no gaps between words.

One text in two encodings is one text: all is brought into composed form first (NFKC). File systems and PDF extraction
write letters and their marks apart, and the patterns that find words would end one at each mark.
"""

import re
import unicodedata
from functools import cache

THAI, KANA = "\u0e00-\u0e7f", "\u3040-\u30ff\u31f0-\u31ff"
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
HANGUL = "\uac00-\ud7a3"
UNSPACED = THAI + KANA + HAN + "\u0e80-\u0eff\u1780-\u17ff"  # and Lao and Khmer
"""Characters of scripts that put no space between words, as they stand within the brackets of a pattern."""

# hyphens that show at a line's end only, and joiners: they stand within words, where no pattern wants them
_WITHIN = re.compile("[\u00ad\u200c\u200d\u2060\ufeff]")
# marks that Arabic and Hebrew are mostly written without, and the stroke that widens an Arabic word
_UNWRITTEN = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
)


def composed(text: str) -> str:
    """In the form NFKC, without what stands within words and is not seen."""
    return text if text.isascii() else _WITHIN.sub("", unicodedata.normalize("NFKC", text))


def normal(text: str) -> str:
    """Composed, in lower case, without the marks that are mostly left out."""
    return _UNWRITTEN.sub("", composed(text)).lower()


def pieces(text: str) -> list[str]:
    """Bigrams of runs without spaces, whole words elsewhere; of the normal form."""
    found: list[str] = []
    for match in word_pattern().finditer(normal(text)):
        run, word = match.groups()
        if word:
            found.append(word)
        else:
            found += bigrams(run)
    return found


def bigrams(run: str) -> list[str]:
    """All pairs of neighbours; a single character as it is."""
    return [run[at : at + 2] for at in range(max(len(run) - 1, 1))]


@cache
def word_pattern() -> re.Pattern[str]:
    """Group 1: a run of an unspaced script. Group 2: a word of another, with the vowel signs that \\w leaves out."""
    return re.compile(f"([{UNSPACED}]+)|((?:(?![{UNSPACED}])[\\w{marks()}])+)")


@cache
def marks() -> str:
    """All combining marks, as they stand within the brackets of a pattern."""
    return "".join(
        re.escape(chr(code))
        for code in range(0x300, 0x10000)
        if unicodedata.category(chr(code)) in ("Mn", "Mc")
    )
