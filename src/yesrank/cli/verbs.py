"""How verbs become commands: the options that all have, help in words, and second names."""

import inspect
import shutil
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from yesrank.cli import output
from yesrank.cli.describe import describe, help_text

ALIASES = {"ls": "list", "rm": "remove", "show": "inspect"}
HELP = {"help_option_names": ["-h", "--help"]}
_WIDEST = 100
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but warnings and errors.")]


def with_quiet(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with the option --quiet, which it need not know of."""

    @wraps(verb)
    def run(*arguments: Any, quiet: bool = False, **options: Any) -> None:
        output.be_quiet(quiet)
        verb(*arguments, **options)

    signature = inspect.signature(verb, eval_str=True)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Quiet)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = {**verb.__annotations__, "quiet": _Quiet}
    return run


class Verb(TyperCommand):
    """A verb whose help is that of docs/cli.md."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes all of the help."""
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        formatter.write(help_text(describe(self.callback or _nothing), ctx.command_path, width))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in messages about wrong usage."""
        return [describe(self.callback or _nothing).usage]


class Verbs(TyperGroup):
    """All verbs, some under a second name that is known from elsewhere."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name or second name; None where there is none."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))


def _nothing() -> None: ...
