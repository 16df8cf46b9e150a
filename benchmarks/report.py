"""A comparison's JSON as the table of docs/performance.md.

python benchmarks/report.py result.json            # prints it
python benchmarks/report.py --page                 # writes those of benchmarks/results/ into the page
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HEADS = (
    "documents/s (range)",
    "CPU s a document",
    "of the int8 ceiling",
    "cores",
    "peak memory",
    "beyond the weights",
    "logit error, largest / mean",
)
RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_MARKS = ("<!-- peers: written by benchmarks/report.py -->\n", "<!-- end of peers -->\n")
_BESIDE = ("yesrank-w8a8", "yesrank-int8")


def shown(result: Mapping[str, Any]) -> str:
    """Markdown: what was measured on what, the table, and what was left out."""
    rows = result["rows"]
    ours = [name for name in _BESIDE if any(row["name"] == name for row in rows)]
    heads = ["", *_HEADS, *(f"CPU s over {name.removeprefix('yesrank-')}'s" for name in ours)]
    lines = [*_about(result), "", _line(heads), "|---" * len(heads) + "|"]
    lines += [
        _line([row["label"], *_cells(row, result["machine"]), *(_times(row, name) for name in ours)])
        for row in rows
    ]
    lines += ["", *(f"Left out: {label}: {reason}." for label, reason in result["skipped"].items())]
    return "\n".join(lines).rstrip("\n") + "\n"


def _about(result: Mapping[str, Any]) -> list[str]:
    machine, settings = result["machine"], result["settings"]
    ceiling, work = machine["ceiling"], machine["work"]
    rates = ", ".join(f"{kind} {ceiling[f'{kind}_core'] / 1e9:.0f}" for kind in ("bf16", "int8"))
    return [
        f"{machine['processor']} ({', '.join(machine['features'])}), {machine['cores']} cores, load before the start "
        f"{machine['load_before']:.1f}. Random weights of the {settings['preset']}, one query, {settings['documents']} "
        f"documents of about {settings['words']} words ({machine['tokens']:.0f} tokens a prompt), "
        f"{_rounds(len(result['rounds']))}; contenders that share nothing between documents ran "
        f"{settings['part']} of them.",
        f"Matrix ceilings in the same run, GOP in a CPU second: {rates}; a document needs {work / 1e9:.0f} GOP. Logit "
        f"error: against {result['judge']}, {result['judged']} documents.",
    ]


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"{count} rounds, medians"


def _cells(row: Mapping[str, Any], machine: Mapping[str, Any]) -> list[str]:
    share = machine["work"] / row["cpu_seconds"] / machine["ceiling"]["int8_core"]
    return [
        f"{row['documents_per_second']:.2f} ({row['slowest']:.2f}-{row['fastest']:.2f})",
        f"{row['cpu_seconds']:.2f}",
        f"{share:.0%}",
        f"{row['cores']:.1f}",
        f"{row['peak'] / 1e9:.2f} GB",
        f"{(row['peak'] - row['weights']) / 1e9:.2f} GB",
        f"{row['logit_error']:.3f} / {row['mean_error']:.3f}",
    ]


def _times(row: Mapping[str, Any], ours: str) -> str:
    return f"{row['times_cheaper'][ours]:.2f}x"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """docs/performance.md with the kept results between its marks."""
    before, rest = PAGE.read_text(encoding="utf-8").split(_MARKS[0])
    _, after = rest.split(_MARKS[1])
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    return before + _MARKS[0] + "\n" + "\n".join(map(shown, kept)) + "\n" + _MARKS[1] + after


if __name__ == "__main__":
    if sys.argv[1] == "--page":
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(shown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
