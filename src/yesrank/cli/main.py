"""The `yesrank` command: one verb a file, errors as one message and the next step."""

import os
import sys
from typing import Annotated

import typer

from yesrank.cli.add import add
from yesrank.cli.bench import bench
from yesrank.cli.convert import convert
from yesrank.cli.default import default
from yesrank.cli.demo import demo
from yesrank.cli.doctor import doctor
from yesrank.cli.eval import eval as evaluate
from yesrank.cli.inspect import inspect
from yesrank.cli.list import list as list_names
from yesrank.cli.output import note
from yesrank.cli.pull import pull
from yesrank.cli.remove import remove
from yesrank.cli.rerank import rerank
from yesrank.cli.serve import serve
from yesrank.cli.verify import verify
from yesrank.errors import YesrankError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="yesrank",
    help="Rank documents by the probability that a Qwen3-Reranker answers yes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (
    rerank,
    demo,
    convert,
    verify,
    inspect,
    doctor,
    bench,
    evaluate,
    add,
    pull,
    list_names,
    default,
    remove,
    serve,
):
    app.command(verb.__name__)(verb)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("yesrank"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Rank documents by the probability that a Qwen3-Reranker answers yes.

    Data goes to stdout, progress and notes to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
    """


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        app()
    except YesrankError as error:
        note(f"error: {error.message}", style="red")
        if error.hint:
            note(f"next: {error.hint}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _leave_quietly()


def _leave_quietly() -> None:
    """The reader of our output is gone (`| head`): nothing more to say, and nothing to flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(FAILED)
