"""A folder that appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from yesrank.claims import claimed, partial_name, remove_partials
from yesrank.errors import ConversionError, InputError, NoSpace

_FULL = 1 << 20  # with less than this free, a failed write is put down to the full disk


@contextmanager
def staged(target: Path, needed: int) -> Iterator[Path]:
    """Yields an empty folder beside `target`; on success it is flushed to disk and renamed to `target`.

    needed: bytes that will be written. Raises InputError where the target exists or another process writes it, NoSpace
    where the disk is too small or fills up, ConversionError for other failures of the file system. After any of them,
    and after being killed, nothing of this run stands at `target`; what a killed process left beside it is removed by
    the next run.
    """
    with ExitStack() as stack:
        try:
            refuse_existing(target)
            if not target.parent.is_dir():
                _check_space(next(folder for folder in target.absolute().parents if folder.is_dir()), needed)
                target.parent.mkdir(parents=True, exist_ok=True)
            if stack.enter_context(claimed(target)):
                remove_partials(target)
            refuse_existing(target)
            _check_space(target.parent, needed)
            staging = partial_name(target)
            staging.mkdir()
        except OSError as error:
            raise ConversionError(
                f"{target.parent} cannot be written: {error}", "name another target"
            ) from error
        try:
            yield staging
            _flush(staging)
            _put_in_place(staging, target)
        except (OSError, RuntimeError) as error:  # OpenVINO reports a failed write as RuntimeError
            raise _explained(error, target.parent) from error
        except ConversionError as error:
            raise _explained(error, target.parent) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)  # gone already where the rename succeeded


def refuse_existing(target: Path) -> None:
    """Raises InputError where something stands at `target`."""
    if target.exists() or target.is_symlink():
        raise InputError("target", f"{target} exists already", "remove it first, or name a new folder")


def _put_in_place(staging: Path, target: Path) -> None:
    """The rename fails where something stands at `target` by now: that stays, and this run is told."""
    try:
        staging.rename(target)
    except OSError:
        if staging.exists():
            refuse_existing(target)
        raise
    _flush_folder(target.parent)


def _explained(error: Exception, folder: Path) -> ConversionError:
    if shutil.disk_usage(folder).free < _FULL:
        return NoSpace(
            f"the disk of {folder} is full; nothing was left behind", "free some space and run again"
        )
    if isinstance(error, ConversionError):
        return error
    return ConversionError(f"writing the model failed: {error}", "nothing was left behind; run it again")


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(
            f"the model needs {_readable(needed)}, {folder} has {_readable(free)} free",
            "free some space, name a target on another disk, or ask for less (smaller weights, fewer variants)",
        )


def _readable(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there, and need no flush
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
