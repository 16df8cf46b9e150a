"""Writes docs/cli.md from what the verbs say of themselves; with --check, fails where the file differs."""

import sys
from pathlib import Path

from yesrank.cli.describe import Description, Row, describe
from yesrank.cli.main import VERBS
from yesrank.cli.verbs import ALIASES

TARGET = Path(__file__).parent / "cli.md"
OPENING = """# Command line

Written by `docs/generate.py` from the program itself, as `yesrank VERB --help` is: change the program, then run
`make docs`.

Data goes to standard output, progress and notes to standard error. Every verb takes `--json`, `-h` (`--help`) and `-q`
(`--quiet`: nothing on standard error but warnings and errors). `python -m yesrank` is the same program, and
`yesrank --install-completion` teaches the shell its words.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

| verb | what it does |
|---|---|
"""


def page() -> str:
    """The whole page."""
    verbs = [describe(verb) for verb in VERBS]
    rows = "".join(f"| [{verb.name}](#yesrank-{verb.name}) | {verb.paragraphs[0]} |\n" for verb in verbs)
    also = "".join(f"| `{other}` | `{name}` |\n" for other, name in ALIASES.items())
    return OPENING + rows + also + "".join(_section(verb) for verb in verbs)


def _section(verb: Description) -> str:
    lines = [f"\n## yesrank {verb.name}\n", f"    yesrank {verb.name} {verb.usage}\n"]
    lines += [f"{paragraph}\n" for paragraph in verb.paragraphs]
    if verb.arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{_cell(each.values)}` | {_cell(each.help)} |" for each in verb.arguments] + [""]
    lines += ["| option | default | |", "|---|---|---|"]
    lines += [f"| {_names(each)} | {_default(each)} | {_cell(each.help)} |" for each in verb.options]
    return "\n".join(lines) + "\n"


def _names(option: Row) -> str:
    names = ", ".join(f"`{name}`" for name in option.names)
    return f"{names} `{_cell(option.values)}`" if option.values else names


def _default(option: Row) -> str:
    return option.default if option.default in ("", "required", "on") else f"`{option.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Writes or checks the page."""
    if "--check" not in sys.argv:
        TARGET.write_text(page(), encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write("docs/cli.md is not what the program says: run make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
