"""The indented blocks of a page of the documentation, as a reader would type them."""

from pathlib import Path
from textwrap import dedent

PAGE = Path(__file__).parent.parent / "docs" / "python.md"
PROJECTS = ("langchain_core", "llama_index", "haystack")


def examples(*, of_projects: bool) -> list[tuple[int, str]]:
    """(line, code) of each. of_projects: also those that import another project, which may not be installed."""
    blocks: list[tuple[int, list[str]]] = []
    inside = False
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("    "):
            if not inside:
                blocks.append((number, []))
            blocks[-1][1].append(line)
        elif not line and inside:
            blocks[-1][1].append(line)
            continue
        inside = line.startswith("    ")
    found = [(number, dedent("\n".join(lines))) for number, lines in blocks]
    return [
        each for each in found if of_projects or not any(f"from {project}" in each[1] for project in PROJECTS)
    ]


def run(*, of_projects: bool) -> int:
    """Runs the examples one after the other in one program; returns how many. An error names the line."""
    found, names = examples(of_projects=of_projects), {}
    for line, code in found:
        exec(compile("\n" * (line - 1) + code, str(PAGE), "exec"), names)
    names["reranker"].close()
    return len(found)
