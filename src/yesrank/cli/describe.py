"""What a verb takes, in words: the one text of `--help` and of docs/cli.md.

It reads the verbs' own signatures, and not the help of typer, which every version of it lays out differently.
"""

import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import EnumType
from typing import Annotated, Any, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

_KINDS = {int: "N", float: "N", str: "TEXT"}


@dataclass(frozen=True, slots=True)
class Row:
    """An argument or option. values: what stands after the name. default: in words; required where it must be given."""

    names: tuple[str, ...]
    values: str
    default: str
    help: str


@dataclass(frozen=True, slots=True)
class Description:
    """A verb: its paragraphs, each on one line, and what it takes."""

    name: str
    paragraphs: tuple[str, ...]
    arguments: tuple[Row, ...]
    options: tuple[Row, ...]

    @property
    def usage(self) -> str:
        """What follows the command's name."""
        return " ".join(["[OPTIONS]", *(row.values for row in self.arguments)])


def describe(verb: Callable[..., object]) -> Description:
    """Reads annotations and docstring."""
    paragraphs = (inspect.getdoc(verb) or "").split("\n\n")
    rows = [*_rows(verb)]
    return Description(
        verb.__name__,
        tuple(" ".join(paragraph.split()) for paragraph in paragraphs),
        tuple(row for kind, row in rows if kind is ArgumentInfo),
        tuple(row for kind, row in rows if kind is OptionInfo),
    )


_HELP = Row(("-h", "--help"), "", "", "Show this and exit.")


def help_text(found: Description, command: str, width: int) -> str:
    """The help for a terminal of that many columns."""
    parts = [f"Usage: {command} {found.usage}", *found.paragraphs]
    text = "\n\n".join(textwrap.fill(part, width, break_on_hyphens=False) for part in parts)
    for title, rows in (("Arguments", found.arguments), ("Options", (*found.options, _HELP))):
        if rows:
            text += f"\n\n{title}:\n" + "\n".join(_printed(row, width) for row in rows)
    return text + "\n"


def _printed(row: Row, width: int) -> str:
    left = " ".join(part for part in (", ".join(row.names), row.values) if part)
    default = {"": "", "required": " [required]"}.get(row.default, f" [default: {row.default}]")
    column = min(26, width // 3)
    lines = textwrap.wrap(row.help + default, max(width - column, 20), break_on_hyphens=False)
    first = [] if len(left) + 4 > column else [lines.pop(0)]
    head = f"  {left}".ljust(column) + "".join(first)
    return "\n".join([head.rstrip(), *(" " * column + line for line in lines)])


def _rows(verb: Callable[..., object]) -> Iterator[tuple[type, Row]]:
    for parameter in inspect.signature(verb, eval_str=True).parameters.values():
        if get_origin(parameter.annotation) is Annotated:
            kind, info = get_args(parameter.annotation)[:2]
            if isinstance(kind, types.UnionType):
                kind = next(part for part in get_args(kind) if part is not types.NoneType)
            values = _values(kind, info)
            default = _default(parameter.default)
            if isinstance(info, OptionInfo):
                # inside Annotated the first argument of typer.Option is a name, though typer keeps it as default
                names = (*(info.param_decls or ()), str(info.default))
                yield OptionInfo, Row(_shortest_first(names), values, default, info.help or "")
            else:
                yield ArgumentInfo, Row((), values, "", info.help or "")


def _shortest_first(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: name.startswith("--")))


def _values(kind: Any, info: Any) -> str:
    if info.metavar:
        return str(info.metavar)
    if isinstance(kind, EnumType):
        choices: list[Any] = [*kind]
        return "|".join(str(choice.value) for choice in choices)
    return "" if kind is bool else _KINDS.get(kind, "PATH")


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    value = getattr(value, "value", value)
    return "" if value is None or value is False else "on" if value is True else str(value)
