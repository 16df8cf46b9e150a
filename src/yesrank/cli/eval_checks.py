"""What `yesrank eval` finds out before hours of work, not after: options that do not go together, files in the way."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from yesrank.cli.eval_options import SPLIT
from yesrank.errors import InputError

_FILES = ("corpus", "queries", "qrels")
_MODELS = ("model", "precision")
_SCORING = ("device", "instruction", "template", "max_length", "fuse", "scores", "again")
_OF_BENCHMARK = ("task", "first_stage", "keep")
_NOT_OF_BENCHMARK = (
    "collection", *_FILES, "run", "split", "language", "limit", "keep_own_id", "fuse", "compare", "first_stage_only",
    "scores", "again", "save_run", "html", "fail_under", "fail_over",
)  # fmt: skip
_EITHER = "leave one of the two out"


def check_combination(options: Mapping[str, object]) -> None:
    """options: all of the verb's, by parameter. Raises InputError for one that another makes useless.

    Such an option was meant to do something: passing over it would answer another question than was asked.
    """
    given = {
        name
        for name, value in options.items()
        if value is not None and value is not False and (name, value) != ("split", SPLIT)
    }
    if "benchmark" in given:
        why = "a benchmark brings its own collections and measures"
        _refuse(given, _NOT_OF_BENCHMARK, why, "leave it out with --benchmark")
        return
    _refuse(given, _OF_BENCHMARK, "it belongs to a benchmark", "name one with --benchmark, or leave it out")
    if "collection" in given:
        _refuse(given, _FILES, "the folder brings its own", "leave out the folder, or this option")
    else:
        _refuse(given, ("split",), "it is of a folder", "give the judgments of that split with --qrels")
    if "compare" in given:
        _refuse(given, _MODELS, "--compare names the models itself", "leave it out, or write A@PRECISION")
        _refuse(given, ("first_stage_only",), "--compare is of models", _EITHER)
    if "first_stage_only" in given:
        _refuse(given, (*_MODELS, *_SCORING), "--first-stage-only reranks nothing", _EITHER)
    if "run" in given:
        _refuse(given, ("language",), "it is of BM25, and --run is in its place", _EITHER)


def check_report(path: Path) -> None:
    """Raises InputError where a report cannot be written."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError("html", f"there is no folder {folder}", "make it first, or name another")
    if path.is_dir():
        raise InputError("html", f"{path} is a folder", "name a file in it")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InputError("html", f"{path} cannot be written: no permission", "name another file")


def check_run_folder(folder: Path, labels: Iterable[str], given: Path | None) -> None:
    """Makes the folder of --save-run. Raises InputError where it cannot, and where the run that was given is in it.

    given: the file of --run. It may hold more than what is kept of it here.
    """
    from yesrank.cli.evaluation_output import run_files

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "save-run", f"{folder} cannot be made: {error.strerror}", "name another folder"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError("save-run", f"{folder} cannot be written: no permission", "name another folder")
    if given and any(path.exists() and path.samefile(given) for path in run_files(folder, labels).values()):
        raise InputError("save-run", f"{given} is the file of --run", "name another folder")


def _refuse(given: set[str], names: Iterable[str], why: str, next_step: str) -> None:
    for name in names:
        if name in given:
            raise InputError(name.replace("_", "-"), why, next_step)
