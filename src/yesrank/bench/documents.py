"""Made-up documents: plain words, the same on every machine, different for every seed."""

import random

_WORDS = """
the of and to in is that for it was on are as with his they at be this from have or by one had not but
what all were when we there can an your which their said if do will each about how up out them then she
many some so these would other into has more her two like him see time could no make than first been its
who now people my made over did down only way find use may water long little very after words called just
where most know get through back much before go good new write our used me man too any day same right
look think also around another came come work three must because does part even place well such here take
why things help put years different away again off went old number great tell men say small every found
still between name should home big give air line set own under read last never us left end along while
might next sound below saw something thought both few those always looked show large often together asked
house world going want school important until form food keep children feet land side without boy once
animals life enough took sometimes four head above kind began almost live page got earth need far hand
high year mother light parts country father let night following picture being study second eyes soon
times story boys since white days ever paper hard near sentence better best across during today others
however sure means knew try told young miles sun ways thing whole hear example heard several change
answer room sea against top turned learn point city play toward five using himself usually harbour window
bridge copper engine garden mineral valley winter market island letter
""".split()  # noqa: SIM905


def synthetic_documents(count: int, words: int, seed: int) -> list[str]:
    """`count` documents of 50 % to 150 % of `words` words; the mean is `words` exactly."""
    draw = random.Random(seed)
    lengths: list[int] = []
    while len(lengths) + 1 < count:
        shift = draw.randint(-(words // 2), words // 2)
        lengths += [words + shift, words - shift]
    lengths += [words] * (count - len(lengths))
    return [_sentences(draw, max(length, 1)) for length in lengths]


def synthetic_query(seed: int) -> str:
    """A question of eleven words that no other seed gives."""
    draw = random.Random(f"query {seed}")
    return f"why does the {' '.join(draw.sample(_WORDS, 7))} {seed}?"


def _sentences(draw: random.Random, words: int) -> str:
    text: list[str] = []
    while len(text) < words:
        sentence = draw.choices(_WORDS, k=min(draw.randint(6, 18), words - len(text)))
        text += [sentence[0].capitalize(), *sentence[1:]]
        text[-1] += "."
    return " ".join(text)
