"""An index of generated text: time and memory of making it, time of a query's first stage, of an update, and its size.

    .venv/bin/python benchmarks/search.py [--passages 100000] [--queries 200] [--folder FOLDER]

The text is drawn from made-up words whose frequencies fall as those of a language do (rank to the power of -1), a third
each in an English alphabet, in one with accents, and in Han characters without gaps. Each step runs in a process of its
own, so that its peak memory is that step's.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

_WORDS = 60_000
_A_FILE = 50
_LETTERS = {
    "en": ("b c d f g h j k l m n p r s t v w st tr sh ch", "a e i o u ea ou io"),
    "de": ("b d f g h k l m n p r s t w z sch st pf br", "a e i o u ä ö ü ei au ie"),
}
_COMMON = {"en": "the of and to in is that for", "de": "der die das und ist in den von"}


def vocabulary(language: str, rng: random.Random) -> list[str]:
    """Words, the commonest first."""
    if language == "zh":
        signs = [chr(0x4E00 + at) for at in rng.sample(range(6000), 3500)]
        return ["".join(rng.choices(signs, k=rng.choice((1, 2, 2, 2, 3)))) for _ in range(_WORDS)]
    consonants, vowels = (part.split() for part in _LETTERS[language])
    made = {
        "".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(rng.choice((1, 2, 2, 3, 3, 4))))
        for _ in range(2 * _WORDS)
    }
    return [*_COMMON[language].split(), *sorted(made, key=lambda _: rng.random())][:_WORDS]


class Text:
    """Sentences of one language."""

    def __init__(self, language: str, seed: int) -> None:
        self._rng = random.Random(f"{language} {seed}")
        self._words = vocabulary(language, random.Random(language))
        self._sums = [*accumulate(1 / (rank + 1) for rank in range(len(self._words)))]
        self._gap, self._stop = ("", "。") if language == "zh" else (" ", ". ")

    def word(self) -> str:
        """A word as often as its rank says."""
        return self._words[bisect(self._sums, self._rng.random() * self._sums[-1])]

    def sentence(self) -> str:
        """Of 8 to 20 words."""
        return self._gap.join(self.word() for _ in range(self._rng.randint(8, 20))) + self._stop

    def passage(self, letters: int) -> str:
        """Sentences of about so many letters."""
        made: list[str] = []
        while sum(map(len, made)) < letters:
            made.append(self.sentence())
        return "".join(made)


def write_files(folder: Path, passages: int) -> None:
    """Markdown files, _A_FILE headings each."""
    for part, language in enumerate(("en", "de", "zh")):
        text = Text(language, 1)
        letters = 240 if language == "zh" else 700
        for number in range(passages // 3 // _A_FILE + (part == 0)):
            sections = (f"# {text.word()} {at}\n\n{text.passage(letters)}\n" for at in range(_A_FILE))
            path = folder / language / f"{number // 100:03}" / f"{number:05}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(sections), encoding="utf-8")


def queries(count: int) -> Iterator[str]:
    """Three to six words of one language each."""
    texts = [Text(language, 2) for language in ("en", "de", "zh")]
    for at in range(count):
        text = texts[at % 3]
        yield ("" if at % 3 == 2 else " ").join(text.word() for _ in range(3 + at % 4))


def make(folder: Path) -> dict[str, float]:
    """Indexes the folder; or brings it up to date."""
    from yesrank.search import index

    begun = time.perf_counter()
    report = index([folder], "benchmark")
    return {
        "files read": report.read,
        "passages": report.passages,
        "seconds": time.perf_counter() - begun,
        "CPU seconds": time.process_time(),
    }


def ask(count: int) -> dict[str, float]:
    """The first stage alone: milliseconds of each query, and of opening with the first one."""
    from yesrank.search import Index

    asked = [*queries(count)]
    begun = time.perf_counter()
    with Index("benchmark") as opened:
        opened.candidates(asked[0], 100)
        first = time.perf_counter() - begun
        times = [_timed(lambda query=query: opened.candidates(query, 100)) for query in asked]  # type: ignore[misc]
    times.sort()
    return {
        "open and first query, ms": 1e3 * first,
        "median ms": 1e3 * times[len(times) // 2],
        "95 % ms": 1e3 * times[int(0.95 * len(times))],
        "slowest ms": 1e3 * times[-1],
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _step(label: str, folder: Path, *arguments: str) -> None:
    """Runs one step in a process of its own, and prints what it found."""
    environment = {**os.environ, "YESRANK_INDEXES": str(folder / "indexes")}
    command = [sys.executable, __file__, "--step", *arguments]
    found = json.loads(
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    )
    print(f"{label}: " + ", ".join(f"{name} {value:,.1f}" for name, value in found.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", nargs=2)
    options = parser.parse_args()
    if options.step:
        name, value = options.step
        found = make(Path(value)) if name == "make" else ask(int(value))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**found, "peak MB": peak}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        texts = folder / "texts"
        if not texts.exists():
            write_files(texts, options.passages)
        size = sum(path.stat().st_size for path in texts.rglob("*.md"))
        print(f"{size / 1e6:.0f} MB of text", flush=True)
        _step("index", folder, "make", str(texts))
        _step("nothing changed", folder, "make", str(texts))
        for path in sorted(texts.rglob("*.md"))[::100]:
            path.write_text(path.read_text(encoding="utf-8") + "\nOne more line.\n", encoding="utf-8")
        _step("every hundredth file changed", folder, "make", str(texts))
        _step("query", folder, "ask", str(options.queries))
        stored = sum(path.stat().st_size for path in (folder / "indexes").iterdir())
        print(f"index: {stored / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
