"""Which language a text in Latin letters is in, by its commonest words; for its stemmer, and to leave those out."""

from collections import Counter
from collections.abc import Iterable

STEMMERS = {
    "en": "english", "de": "german", "nl": "dutch", "fr": "french", "es": "spanish", "pt": "portuguese",
    "it": "italian", "ro": "romanian", "sv": "swedish", "no": "norwegian", "da": "danish", "tr": "turkish",
    "fi": "finnish", "hu": "hungarian",
}  # fmt: skip
"""Of languages in Latin letters: the names of their Snowball stemmers."""
_COMMON = {
    "en": "the of and to in is that it for was on are with as be this have from or by not but what which when "
    "how who where why does do did can an at you your we he she they their has had will would there if "
    "its a i",
    "de": "der die das und ist in den von zu mit sich des auf für nicht ein eine einer einem einen als auch es "
    "an werden aus er hat dass sie nach wird bei war wie was wer wo wann warum welche welcher im zum zur "
    "am oder aber wenn nur ich",
    "nl": "de het een van en in is dat op te zijn met voor niet aan er om ook als bij door maar naar uit deze "
    "wat hoe wie waar wanneer waarom welke werd wordt die dit ik je",
    "fr": "le la les de des du et un une est en que qui dans pour au aux sur avec par ce cette il elle sont ne "
    "pas plus ou se son sa ses été quel quelle comment pourquoi où quand je vous nous leur",
    "es": "el la los las de del y un una es en que por para con se su al lo como más o pero sus este esta fue "
    "son no qué cuál cómo dónde cuándo quién entre ser ha muy",
    "pt": "o a os as de do da dos das e um uma é em no na nos nas que por para com se ao mais ou mas seu sua "
    "não como foi são qual onde quando quem ser pelo pela",
    "it": "il lo la i gli le di del della dei delle e un una è in nel nella che per con si al alla da dal sono "
    "non più o ma come anche questo questa cosa chi dove quando perché quale",
    "ro": "și de în la cu pe este din care pentru un o sau sunt fost mai prin iar după între lui nu că se a al "
    "ale ce cum unde când cine",
    "sv": "och i att det som en på är av för med den till inte om ett han de var har från men vad hur vem när "
    "varför kan jag du",
    "no": "og i å det som en på er av for med til ikke om et han de var har fra men hva hvordan hvem når "
    "hvorfor kan jeg du",
    "da": "og i at det som en på er af for med den til ikke om et han de var har fra men hvad hvordan hvem "
    "hvornår hvorfor kan jeg du",
    "tr": "ve bir bu da de için ile olarak olan çok daha en gibi ne kadar sonra ise veya nedir nasıl nerede kim "
    "hangi mi mı",
    "fi": "ja on ei se että oli hän mutta joka kun niin myös ovat kuin tai sen mitä mikä miten missä kuka "
    "milloin",
    "hu": "a az és hogy nem is egy volt ez meg de van csak mint ki mi már még hogyan hol mikor miért vagy",
}  # fmt: skip
COMMON = {name: frozenset(words.split()) for name, words in _COMMON.items()}
"""The commonest words of each language, which say nothing of what a text is about."""
_LEAST_SHARE = 0.08
_PLAIN = ""


def language_of(words: Iterable[str] | Counter[str], usual: str = _PLAIN) -> str:
    """The language whose commonest words make up most of the words, where that is a share to go by; else `usual`."""
    counts = words if isinstance(words, Counter) else Counter(words)
    hits = {name: sum(counts[word] for word in common if word in counts) for name, common in COMMON.items()}
    most = max(hits.values())
    if not most or most < _LEAST_SHARE * counts.total():
        return usual
    if hits.get(usual, 0) == most:
        return usual
    return max(hits, key=hits.__getitem__)
