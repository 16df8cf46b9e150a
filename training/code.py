"""Pairs for code search, from packages that the training environment has.

``python -m training.code --out DIR --apart DATA/eval/cosqa-dev`` writes ``train/pycode.jsonl.gz`` in the form of the
other sources. Documents are functions of the standard library and of PACKAGES, queries the first sentences of their
docstrings or the words of their names, put as people search. Some documents lose the docstring, so that names and body
have to tell. A function that shares a run of RUN words with a document of a test collection (``--apart``) is left out.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import random
import re
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

WITHOUT_DOCSTRING = 0.4  # share of the documents
FROM_NAME = 0.15  # share of the queries made from a function's name
MOST = 25_000
MOST_OF_A_PACKAGE = 2_500
RUN = 12  # words
PACKAGES = (  # those that are installed; BSD, MIT, Apache-2.0 or PSF licences, see the README
    "numpy", "torch", "scipy", "pandas", "sklearn", "networkx", "sympy", "matplotlib", "requests", "django", "flask",
    "sqlalchemy", "nltk", "PIL", "skimage", "statsmodels", "dask", "xarray", "boltons", "toolz", "more_itertools",
    "pydash", "arrow", "dateutil", "jinja2", "werkzeug", "tornado", "celery", "twisted", "transformers",
)  # fmt: skip
_SKIPPED = {
    "test",
    "tests",
    "testing",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "site-packages",
    "__pycache__",
    "_internal",
}
_WORD = re.compile(r"[A-Za-z]+|[0-9]+")
_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_THIRD_PERSON = re.compile(r"^(return|get|check|set|create|convert|write|read|compute|add|remove|test)s$")
_SMALL = {
    "a",
    "an",
    "the",
    "of",
    "to",
    "is",
    "are",
    "be",
    "this",
    "that",
    "its",
    "it",
    "for",
    "with",
    "by",
    "and",
}


def roots() -> list[Path]:
    """The standard library, and packages of the recipe."""
    found = [Path(sysconfig.get_path("stdlib"))]
    for name in PACKAGES:
        spec = find_spec(name)
        found += [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    return found


def functions(root: Path) -> Iterator[tuple[str, str, str, str]]:
    """(first sentence, name, source, source without its docstring) of documented functions of moderate length."""
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED & {*path.relative_to(root).parts}:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (UnicodeDecodeError, SyntaxError, ValueError):
            continue
        lines = text.split("\n")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and (found := _function(node, lines)):
                yield found


def _function(node: ast.FunctionDef, lines: list[str]) -> tuple[str, str, str, str] | None:
    docstring, end = ast.get_docstring(node), node.end_lineno
    if not docstring or end is None or not 4 <= end - node.lineno <= 60 or len(node.body) < 2:
        return None
    sentence = re.split(r"(?<=[.:!])\s|\n\s*\n", docstring.strip())[0]
    sentence = re.sub(r"[`*]+|\s+", lambda found: " " if found[0].isspace() else "", sentence).strip(" .:")
    if not 4 <= len(sentence.split()) <= 18 or not sentence.isascii():
        return None
    first, last = node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno
    whole, bare = lines[node.lineno - 1 : end], lines[node.lineno - 1 : first - 1] + lines[last:end]
    return sentence, node.name, "\n".join(whole), "\n".join(bare)


def runs(text: str) -> set[tuple[str, ...]]:
    """All runs of RUN neighbouring words, lower case, names divided at underscores."""
    words = [word.lower() for word in _WORD.findall(text)]
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def test_runs(collections: list[Path]) -> set[tuple[str, ...]]:
    """The runs of every document and query of BEIR folders."""
    out: set[tuple[str, ...]] = set()
    for path in (folder / name for folder in collections for name in ("corpus.jsonl", "queries.jsonl")):
        with path.open(encoding="utf-8", newline="\n") as rows:
            for row in map(json.loads, rows):
                out |= runs(f"{row.get('title', '')} {row['text']}")
    return out


def worded(sentence: str, rng: random.Random) -> str:
    """A docstring's sentence as somebody might type it."""
    words = [word.strip(",;()'\"") for word in sentence.lower().split()]
    words = [re.sub(_THIRD_PERSON, r"\1", word) for word in words]
    if rng.random() < 0.6:
        words = [word for word in words if word not in _SMALL] or words
    if rng.random() < 0.3 and len(words) > 5:
        del words[rng.randrange(len(words))]
    text = " ".join(words)
    form = rng.random()
    if form < 0.35:
        return f"python {text}"
    if form < 0.55:
        return f"{text} in python"
    return f"how to {text} python" if form < 0.7 else text


def query_of(sentence: str, name: str, rng: random.Random) -> str:
    """What somebody who looks for this function might type."""
    parts = _NAME_PART.findall(name)
    return worded(" ".join(parts) if len(parts) > 2 and rng.random() < FROM_NAME else sentence, rng)


def collect(forbidden: set[tuple[str, ...]], rng: random.Random) -> list[tuple[str, str, str, str]]:
    """Distinct functions, of each package at most MOST_OF_A_PACKAGE."""
    found: dict[str, tuple[str, str, str, str]] = {}
    for root in roots():
        own = {item[0].lower(): item for item in functions(root)}
        kept = [
            item for key, item in sorted(own.items()) if key not in found and not runs(item[2]) & forbidden
        ]
        kept = rng.sample(kept, min(MOST_OF_A_PACKAGE if root.parts[-1] in PACKAGES else MOST, len(kept)))
        found |= {item[0].lower(): item for item in kept}
        print(f"{root.name}: {len(kept)} of {len(own)}", flush=True)
    return rng.sample(sorted(found.values()), min(MOST, len(found)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--apart", type=Path, nargs="*", default=[], metavar="FOLDER", help="test collections"
    )
    args = parser.parse_args()
    rng = random.Random(0)
    chosen = collect(test_runs(args.apart), rng)
    path = args.out / "train" / "pycode.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="\n") as out:
        for sentence, name, whole, bare in chosen:
            document = bare if rng.random() < WITHOUT_DOCSTRING else whole
            pair = {
                "query": query_of(sentence, name, rng),
                "positive": document,
                "source": "pycode",
                "lang": "en",
            }
            out.write(json.dumps(pair, ensure_ascii=False) + "\n")
    print(f"{len(chosen)} pairs")


if __name__ == "__main__":
    main()
