"""Source code and settings: cut where something is defined at the left margin, headed by what encloses it."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import PurePath

from yesrank.search.sections import Extract, Section

ENDINGS = (
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".kts", ".scala", ".go", ".rs", ".c",
    ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cs", ".swift", ".m", ".mm", ".rb", ".php", ".pl", ".pm", ".lua", ".r", ".jl",
    ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".sql", ".proto", ".graphql", ".ex", ".exs", ".erl", ".hs", ".ml",
    ".clj", ".dart", ".vue", ".svelte", ".css", ".scss", ".less", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf",
    ".xml", ".cmake", ".gradle", ".mk", ".dockerfile", ".tf", ".nix", ".zig", ".vim", ".el", ".lisp",
)  # fmt: skip
_NAME = r"[\w$.:~<>?!-]+"
_WORDS = (
    "class|interface|struct|enum|trait|impl|module|namespace|object|protocol|extension|record|def|fn|func|fun|function|"
    "sub|proc|type|defmodule|defp|macro_rules!|message|service|CREATE(?: OR REPLACE)? (?:TABLE|VIEW|FUNCTION|PROCEDURE)"
)
_DEFINITION = re.compile(
    r"(?P<indent>[ \t]*)(?:(?:export|default|public|private|protected|internal|static|abstract|final|async|sealed|"
    r"pub(?:\([^)]*\))?|open|override|virtual|inline|const|unsafe|extern|partial|data|declare|suspend)\s+)*"
    rf"(?:{_WORDS})\s+(?:\([^)]*\)\s*)?(?P<name>{_NAME})",
    re.IGNORECASE,
)
_SHORT = 500
_DECORATION = re.compile(r"\s*(@|#\[|//|#|/\*|\*|--|\"\"\"|\[)")


def read(content: str, name: str) -> Extract:
    """A section for each definition; short neighbours share one, under the heading that they have in common."""
    lines = content.split("\n")
    cuts = _definitions(lines)
    path: list[tuple[int, str]] = []
    found: list[tuple[int, int, tuple[str, ...]]] = []
    for (start, indent, title), (end, _, _) in zip(cuts, [*cuts[1:], (len(lines), 0, "")], strict=True):
        path = [each for each in path if each[0] < indent]
        if title:
            path.append((indent, title))
        found.append((start, end, tuple(each for _, each in path)))
    ending = PurePath(name).suffix.lower().removeprefix(".")
    sections = (
        Section(text, heading, line=start + 1, verbatim=True)
        for start, end, heading in _joined(found, lines)
        if (text := "\n".join(lines[start:end])).strip()
    )
    return Extract(f"code ({ending})" if ending else "code", tuple(sections))


def _joined(
    parts: list[tuple[int, int, tuple[str, ...]]], lines: list[str]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    start, end, heading = parts[0]
    for begin, stop, own in parts[1:]:
        if sum(map(len, lines[start:stop])) <= _SHORT:
            common = sum(takewhile(bool, (a == b for a, b in zip(heading, own, strict=False))))
            heading, end = (heading if end == start else own[:common]), stop
        else:
            yield start, end, heading
            start, end, heading = begin, stop, own
    yield start, end, heading


def _definitions(lines: list[str]) -> list[tuple[int, int, str]]:
    """(line, indentation, name), the beginning of the file first; comments and decorators above belong to it."""
    found: list[tuple[int, int, str]] = [(0, -1, "")]
    for at, line in enumerate(lines):
        match = _DEFINITION.match(line) if len(line) < 500 else None
        if match is None or line.rstrip().endswith(";"):
            continue
        start = at
        while start > found[-1][0] + 1 and lines[start - 1].strip() and _DECORATION.match(lines[start - 1]):
            start -= 1
        indent = len(match["indent"].expandtabs(4))
        found.append((start, indent, match["name"].rstrip(":<-.")))
    return found
