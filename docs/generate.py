"""Writes docs/cli.md from the verbs' own signatures; with --check, fails where the file differs.

It reads the annotations, not the help text: that is laid out differently by every version of typer.
"""

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import EnumType
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from yesrank.cli.main import app

TARGET = Path(__file__).parent / "cli.md"
OPENING = """# Command line

Written by `docs/generate.py` from the program itself: change the program, then run `make docs`.

Data goes to standard output, progress and notes to standard error. Every verb takes `--json`.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

| verb | what it does |
|---|---|
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a verb: typer's description, the Python type without None, the default."""

    name: str
    info: Any
    kind: Any
    default: object


def page() -> str:
    """The whole page."""
    verbs = [command.callback for command in app.registered_commands if command.callback is not None]
    rows = "".join(f"| [{verb.__name__}](#yesrank-{verb.__name__}) | {_text(verb)[0]} |\n" for verb in verbs)
    return OPENING + rows + "".join(_section(verb) for verb in verbs)


def _section(verb: Callable[..., object]) -> str:
    parameters = list(_parameters(verb))
    arguments = [parameter for parameter in parameters if isinstance(parameter.info, ArgumentInfo)]
    options = [parameter for parameter in parameters if isinstance(parameter.info, OptionInfo)]
    usage = " ".join(
        [f"yesrank {verb.__name__}", "[OPTIONS]", *(str(each.info.metavar) for each in arguments)]
    )
    lines = [f"\n## yesrank {verb.__name__}\n", f"    {usage}\n", *(f"{part}\n" for part in _text(verb))]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{_cell(each.info.metavar)}` | {_cell(each.info.help)} |" for each in arguments] + [""]
    lines += ["| option | default | |", "|---|---|---|"]
    lines += [f"| {_names(each)} | {_default(each)} | {_cell(each.info.help)} |" for each in options]
    return "\n".join(lines) + "\n"


def _parameters(verb: Callable[..., object]) -> Iterator[Parameter]:
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        if get_origin(parameter.annotation) is Annotated:
            kind, info = get_args(parameter.annotation)[:2]
            if isinstance(kind, types.UnionType):
                kind = next(part for part in get_args(kind) if part is not types.NoneType)
            yield Parameter(parameter.name, info, kind, parameter.default)


def _text(verb: Callable[..., object]) -> list[str]:
    """The paragraphs of a verb's docstring, each on one line."""
    return [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(verb) or "").split("\n\n")]


def _names(option: Parameter) -> str:
    # inside Annotated the first positional argument of typer.Option is a name, though typer keeps it as default
    names = ", ".join(f"`{name}`" for name in [*option.info.param_decls, option.info.default])
    return names if option.kind is bool else f"{names} `{_values(option)}`"


def _values(option: Parameter) -> str:
    if isinstance(option.kind, EnumType):
        return "\\|".join(str(choice.value) for choice in option.kind)
    return _cell(str(option.info.metavar or {int: "N", str: "TEXT"}.get(option.kind, "PATH")))


def _default(option: Parameter) -> str:
    if option.default is inspect.Parameter.empty:
        return "required"
    value = getattr(option.default, "value", option.default)
    return "" if value is None or value is False else f"`{value}`".replace("`True`", "on")


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


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
