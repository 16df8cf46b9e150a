"""Pairs for code search, from packages that the training environment has: ``python -m training.code --out DIR``.

Writes ``train/pycode.jsonl.gz`` in the form of the other sources. Documents are functions of the standard library (PSF
licence), numpy and torch (BSD), queries the first sentences of their docstrings, worded as people search. Most
documents lose the docstring, so that names and body have to tell.
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

WITHOUT_DOCSTRING = 0.6  # share of the documents
MOST = 12_000
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
_VERB = re.compile(r"^(return|get|check|set|create|convert|write|read|compute|add|remove|test)s$")
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
    for name in ("numpy", "torch"):
        spec = find_spec(name)
        found += [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    return found


def functions(root: Path) -> Iterator[tuple[str, str, str]]:
    """(first sentence, source, source without its docstring) of every documented function of moderate length."""
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


def _function(node: ast.FunctionDef, lines: list[str]) -> tuple[str, str, str] | None:
    docstring, end = ast.get_docstring(node), node.end_lineno
    if not docstring or end is None or not 4 <= end - node.lineno <= 60 or len(node.body) < 2:
        return None
    sentence = re.split(r"(?<=[.:!])\s|\n\s*\n", docstring.strip())[0]
    sentence = re.sub(r"[`*]+|\s+", lambda found: " " if found[0].isspace() else "", sentence).strip(" .:")
    if not 4 <= len(sentence.split()) <= 18 or not sentence.isascii():
        return None
    first, last = node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno
    return sentence, "\n".join(lines[node.lineno - 1 : end]), "\n".join(
        lines[node.lineno - 1 : first - 1] + lines[last:end]
    )  # fmt: skip


def worded(sentence: str, rng: random.Random) -> str:
    """A docstring's sentence as somebody might type it."""
    words = [word.strip(",;()'\"") for word in sentence.lower().split()]
    words = [
        re.sub(r"^(return|get|check|set|create|convert|write|read|compute|add|remove|test)s$", r"\1", w)
        for w in words
    ]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rng = random.Random(0)
    found = {sentence.lower(): (sentence, *code) for root in roots() for sentence, *code in functions(root)}
    chosen = rng.sample(sorted(found.values()), min(MOST, len(found)))
    path = args.out / "train" / "pycode.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="\n") as out:
        for sentence, whole, bare in chosen:
            document = bare if rng.random() < WITHOUT_DOCSTRING else whole
            pair = {"query": worded(sentence, rng), "positive": document, "source": "pycode", "lang": "en"}
            out.write(json.dumps(pair, ensure_ascii=False) + "\n")
    print(f"{len(chosen)} pairs of {len(found)}")


if __name__ == "__main__":
    main()
