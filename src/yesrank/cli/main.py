"""The `yesrank` command: one verb a file, errors as one message and the next step."""

import errno
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from yesrank.cli import output
from yesrank.cli.add import add
from yesrank.cli.batch import batch
from yesrank.cli.bench import bench
from yesrank.cli.convert import convert
from yesrank.cli.default import default
from yesrank.cli.demo import demo
from yesrank.cli.doctor import doctor
from yesrank.cli.embed import embed
from yesrank.cli.eval import eval as evaluate
from yesrank.cli.index import index
from yesrank.cli.inspect import inspect
from yesrank.cli.list import list as list_names
from yesrank.cli.mcp import mcp
from yesrank.cli.pull import pull
from yesrank.cli.remove import remove
from yesrank.cli.rerank import rerank
from yesrank.cli.search import search
from yesrank.cli.serve import serve
from yesrank.cli.tune import tune
from yesrank.cli.verbs import ALIASES, HELP, Verb, Verbs, with_quiet
from yesrank.cli.verify import verify
from yesrank.errors import YesrankError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
_GONE, _FULL = (errno.EPIPE, errno.EIO), (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PLACE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)

app = typer.Typer(
    name="yesrank",
    help="Rank documents by the probability that a Qwen3-Reranker answers yes, and embed them.",
    cls=Verbs,
    context_settings=HELP,
    epilog="Also: " + ", ".join(f"{other} for {name}" for other, name in ALIASES.items()) + ".",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
VERBS = (
    rerank,
    embed,
    index,
    search,
    demo,
    convert,
    verify,
    inspect,
    doctor,
    bench,
    tune,
    evaluate,
    batch,
    add,
    pull,
    list_names,
    default,
    remove,
    serve,
    mcp,
)
for verb in VERBS:
    app.command(verb.__name__, cls=Verb, context_settings=HELP)(with_quiet(verb))


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

    Data goes to stdout, progress and notes to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    output.prepare_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except OSError as error:
        code = _unwritten(error)
    sys.exit(code)


def _run() -> int | str | None:
    try:
        app()
    except SystemExit as end:
        return end.code
    except YesrankError as error:
        output.warn(f"error: {error.message}", style="red")
        if error.hint:
            output.warn(f"next: {error.hint}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return None


def _unwritten(error: OSError) -> int:
    """Output that could not be written. Where its reader is gone (`| head`, a closed terminal), nothing is said."""
    if error.errno in _PLACE and error.filename:
        output.warn(f"error: {error.filename}: {error.strerror}", style="red")
        output.warn("next: check the path, and who may read and write it")
        return FAILED
    if error.errno not in (*_GONE, *_FULL):
        raise error
    if error.errno in _FULL:
        with suppress(OSError):
            what = error.filename or "the output"
            output.warn(f"error: {what} could not be written: {error.strerror}", style="red")
            output.warn("next: free some space, or write to another place")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # what is left in their buffers must not fail again at exit
            os.dup2(nowhere, stream.fileno())
    return FAILED
