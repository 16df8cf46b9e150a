"""Paths -> the files below them: hidden ones and what .gitignore leaves out are not among them.

Rules of folders above, up to the one that holds .git, count as they do for git. A path that was named itself is taken,
whatever a rule says of it.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

_RULES, _REPOSITORY = ".gitignore", ".git"
_MADE = {"node_modules", "__pycache__", "site-packages"}
_ENVIRONMENT = "pyvenv.cfg"
HIDDEN, IGNORED, MADE = "hidden", "left out by .gitignore", "installed or generated (node_modules, ...)"
LINK, SPECIAL, UNREADABLE = (
    "a link to a folder",
    "no file but a pipe, socket or device",
    "a folder that cannot be read",
)


@dataclass(slots=True)
class Walked:
    """What a walk has met besides files. skipped: how many names for which reason; a folder counts once.

    closed: folders that could not be read, whose files may be there all the same.
    """

    skipped: Counter[str] = field(default_factory=Counter)
    closed: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Rules:
    folder: Path
    spec: GitIgnoreSpec


def walk(root: Path, met: Walked) -> Iterator[Path]:
    """Files of a path in the order of their names; the path itself where it is a file."""
    if root.is_dir():
        yield from _folder(root, _above(root), met)
    else:
        yield root


def _folder(folder: Path, above: tuple[_Rules, ...], met: Walked) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        met.skipped[UNREADABLE] += 1
        met.closed.append(folder)
        return
    rules = _with_own(folder, above)
    for entry in names:
        reason = _reason(entry, rules)
        if reason is not None:
            met.skipped[reason] += 1
        elif entry.is_dir():
            yield from _folder(Path(entry.path), rules, met)
        else:
            yield Path(entry.path)


def _reason(entry: os.DirEntry[str], rules: tuple[_Rules, ...]) -> str | None:
    """Why a name is left out; None where it is not."""
    if entry.name.startswith("."):
        return HIDDEN
    try:
        folder, file = entry.is_dir(), entry.is_file()
        if folder and entry.is_symlink():
            return LINK
    except OSError:
        return SPECIAL
    if folder and (entry.name in _MADE or Path(entry.path, _ENVIRONMENT).exists()):
        return MADE
    if _ignored(Path(entry.path), rules, folder=folder):
        return IGNORED
    return None if folder or file else SPECIAL


def _ignored(path: Path, rules: tuple[_Rules, ...], *, folder: bool) -> bool:
    """The nearest folder's rules decide where they say anything; within a file of rules the last one does."""
    for each in reversed(rules):
        name = path.relative_to(each.folder).as_posix() + ("/" if folder else "")
        said = each.spec.check_file(name).include
        if said is not None:
            return said
    return False


def _with_own(folder: Path, above: tuple[_Rules, ...]) -> tuple[_Rules, ...]:
    found = _read(folder, folder / _RULES)
    if (folder / _REPOSITORY).exists():
        above = _read(folder, folder / _REPOSITORY / "info" / "exclude")
    return (*above, *found)


def _above(root: Path) -> tuple[_Rules, ...]:
    """The rules of the folders between a repository's and this one; none outside of a repository."""
    if (root / _REPOSITORY).exists():
        return ()
    chain: list[Path] = []
    for folder in root.parents:
        chain.append(folder)
        if (folder / _REPOSITORY).exists():
            rules: tuple[_Rules, ...] = ()
            for each in reversed(chain):
                rules = _with_own(each, rules)
            return rules
    return ()


def _read(folder: Path, file: Path) -> tuple[_Rules, ...]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return (_Rules(folder, GitIgnoreSpec.from_lines(lines)),)
